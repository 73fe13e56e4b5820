import { afterAll, beforeAll, expect, test } from "bun:test";
import { createKey } from "../../src/access/keys.ts";
import { putAgent } from "../../src/agents/put.ts";
import { eventStreams } from "../../src/http/event_streams.ts";
import { leaseIdOf } from "../../src/http/lease_id.ts";
import { type HttpServer, httpServer } from "../../src/http/server.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { newTakers, testAccess, testParts } from "../http/client.ts";
import { newAiAgent, TEST_SECRETS, TEST_TOKENS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, working } from "../support/factory.ts";
import { heldOf, pull, pullWorker } from "../support/pulling.ts";
import { visits } from "./chromium.ts";
import { authorize, operation, run } from "./swagger_page.ts";

/** A browser on a busy machine needs its time for some thirty routes. */
const LONGEST_TEST_MS = 240_000;

const KEY = "key-for-every-route";

const visit = visits();
const db = await testDatabase();
const { parts } = testParts();
const streams = eventStreams({ db, emit: parts.emit });
let server: HttpServer;

beforeAll(async () => {
  server = httpServer({
    ...parts,
    db,
    streams,
    takers: newTakers(db),
    inserter: inserter({ db, onWaiting() {} }),
    metrics: { text: async () => "jobsvc_ready 1\n" },
    access: testAccess({ settingsKeys: [KEY] }),
    host: "127.0.0.1",
    port: 0,
  });
  await server.start();
  await streams.start();
});

afterAll(async () => {
  await streams.stop();
  await server.stop();
});

async function waiting(): Promise<string> {
  const [job] = await insertNew(db, 1);
  return job!.id;
}

async function ended(): Promise<string> {
  const id = await waiting();
  await cancelJob(db, id, null);
  return id;
}

async function key(): Promise<string> {
  return (await createKey(db, { name: "to revoke", scopes: ["jobs:read"], userId: null, expires: null }))!
    .record.id;
}

/** The lease of a job in the hands of a worker over HTTP. */
async function lease(): Promise<{ id: string }> {
  const kind = crypto.randomUUID();
  await insertNew(db, 1, { kind });
  const [job] = await pull(db, await pullWorker(db, { kinds: [kind] }), 1);
  return { id: leaseIdOf(heldOf(job!)) };
}

/** Of a job in the hands of a process: good for all that can be called back, in the order of the document. */
async function callbackToken(): Promise<string> {
  const { jobs } = await working(db, 1);
  const { leaseId, id: jobId, attempt } = jobs[0]!;
  return TEST_TOKENS.make({ leaseId, jobId, attempt });
}

async function agent(): Promise<{ resource_id: string }> {
  const wanted = newAiAgent();
  await putAgent(db, TEST_SECRETS, wanted, null);
  return { resource_id: wanted.resourceId };
}

/** What an operation needs to be given where the examples of the document are not enough. */
const VALUES: Record<string, () => Promise<Record<string, string>>> = {
  getJob: async () => ({ id: await waiting() }),
  whyIsJobWaiting: async () => ({ id: await waiting() }),
  changeJob: async () => ({ id: await waiting() }),
  cancelJob: async () => ({ id: await waiting() }),
  watchJob: async () => ({ id: await ended() }),
  retryJob: async () => ({ id: await ended() }),
  deleteJob: async () => ({ id: await ended() }),
  getAgent: agent,
  putAgent: agent,
  deleteAgent: agent,
  revokeKey: async () => ({ id: await key() }),
  beatLease: lease,
  reportProgress: lease,
  reportLog: lease,
  reportOutput: lease,
  endLease: lease,
  pauseQueue: async () => ({ name: "default" }),
  resumeQueue: async () => ({ name: "default" }),
};

interface Documented {
  operationId: string;
  responses: Record<string, unknown>;
}

test(
  "a person with a key runs every route there is, from the page",
  async () => {
    const { paths } = (await (await fetch(new URL("/openapi.json", server.url))).json()) as {
      paths: Record<string, Record<string, Documented>>;
    };
    const { page, troubles } = await visit();
    await page.goto(new URL("/swagger", server.url).href);
    await authorize(page, { key: KEY, token: await callbackToken() });
    const answers: Record<string, string> = {};
    const successes: Record<string, string> = {};
    for (const { operationId, responses } of Object.values(paths).flatMap((path) => Object.values(path))) {
      const { status } = await run(operation(page, operationId), await VALUES[operationId]?.());
      answers[operationId] = status;
      successes[operationId] = Object.keys(responses)[0]!;
    }
    expect(answers).toEqual(successes);
    expect(Object.keys(answers).length).toBeGreaterThan(20);
    expect(troubles).toEqual([]);
  },
  LONGEST_TEST_MS,
);
