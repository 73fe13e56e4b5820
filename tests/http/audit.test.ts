import { beforeEach, describe, expect, test } from "bun:test";
import { ACTIONS } from "../../src/access/audit.ts";
import { type NewAgent, putAgent } from "../../src/agents/put.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { AI_AGENT_BODY, newAiAgent, TEST_SECRETS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { JSON_TYPE, problemOf, request, SOME_ID } from "./client.ts";
import { bearer, type Headers, keyedApp, newKey, OWNER } from "./keyed.ts";

const db = await testDatabase();
const { app, told } = keyedApp(db);
let admin: Awaited<ReturnType<typeof newKey>>;

beforeEach(async () => {
  await clear(db);
  admin = await newKey(db, { name: "the boss" });
});

interface Entry {
  id: number;
  at: string;
  action: string;
  job_id: string | null;
  key_id: string | null;
  key_name: string | null;
  detail: Record<string, unknown>;
}

async function audit(query = "", headers: Headers = admin.headers) {
  const response = await request(app, "GET", `/api/audit${query}`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as { entries: Entry[]; next_cursor: string | null };
}

async function act(method: string, path: string, body?: unknown, headers = admin.headers): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  return await request(app, method, path, { headers: { ...JSON_TYPE, ...headers }, ...sent });
}

async function job(ended = false): Promise<string> {
  const id = (await insertNew(db, 1, { userId: OWNER }))[0]!.id;
  if (ended) await cancelJob(db, id);
  return id;
}

describe("who, what, which job, when", () => {
  /** All but what only the command line does. */
  const OVER_HTTP = ACTIONS.filter((action) => action !== "agents.rotate");

  /** Each does one thing that is worth an entry, and answers what the entry says beside the key. */
  const DONE: Record<(typeof OVER_HTTP)[number], () => Promise<{ job_id: string | null; detail: object }>> = {
    "job.cancel": () => onJob("POST", "/cancel"),
    "job.retry": () => onJob("POST", "/retry", true),
    "job.change": () => onJob("PATCH", "", false, { priority: 1 }),
    "job.delete": () => onJob("DELETE", "", true),
    "jobs.cancel": () => onMany("cancel", false),
    "jobs.retry": () => onMany("retry", true),
    "jobs.delete": () => onMany("delete", true),
    "queue.pause": () => onQueue("pause"),
    "queue.resume": () => onQueue("resume"),
    "key.create": async () => {
      const made = (await (
        await act("POST", "/api/keys", { name: "new", scopes: ["jobs:read"] })
      ).json()) as {
        id: string;
      };
      return { job_id: null, detail: { key_id: made.id, name: "new" } };
    },
    "key.revoke": async () => {
      const { id } = await newKey(db, { name: "old" });
      await act("DELETE", `/api/keys/${id}`);
      return { job_id: null, detail: { key_id: id, name: "old" } };
    },
    "agent.put": () => onAgent(newAiAgent(), (path) => act("PUT", path, AI_AGENT_BODY)),
    "agent.delete": async () => {
      const agent = newAiAgent();
      await putAgent(db, TEST_SECRETS, agent, null);
      return await onAgent(agent, (path) => act("DELETE", path));
    },
  };

  async function onJob(method: string, below: string, ended = false, body?: object) {
    const id = await job(ended);
    expect((await act(method, `/api/jobs/${id}${below}`, body)).status).toBeLessThan(300);
    return { job_id: id, detail: {} };
  }

  async function onMany(action: string, ended: boolean) {
    await job(ended);
    await job(ended);
    const filter = { user_id: OWNER };
    await act("POST", `/api/jobs/${action}`, { filter });
    return { job_id: null, detail: { filter, changed: 2 } };
  }

  async function onQueue(action: string) {
    await act("POST", `/api/queues/mail/${action}`);
    return { job_id: null, detail: { queue: "mail" } };
  }

  async function onAgent({ resourceId, kind, name }: NewAgent, todo: (path: string) => Promise<Response>) {
    expect((await todo(`/api/agents/${resourceId}`)).status).toBeLessThan(300);
    return { job_id: null, detail: { resource_id: resourceId, resource_type: kind, name } };
  }

  test.each(OVER_HTTP)("%s leaves one entry", async (action) => {
    const said = await DONE[action]();
    const { entries, next_cursor } = await audit();
    expect(entries).toEqual([
      {
        id: expect.any(Number),
        at: expect.stringMatching(/Z$/),
        action,
        key_id: admin.id,
        key_name: "the boss",
        ...said,
      } as Entry,
    ]);
    expect(Math.abs(Date.now() - Date.parse(entries[0]!.at))).toBeLessThan(60_000);
    expect(next_cursor).toBeNull();
  });

  test("what was refused, or changed nothing, leaves none", async () => {
    const waiting = await job();
    const ended = await job(true);
    const reader = await newKey(db, { scopes: ["jobs:read"] });
    const answers = [
      await act("POST", `/api/jobs/${ended}/cancel`),
      await act("POST", `/api/jobs/${waiting}/retry`),
      await act("PATCH", `/api/jobs/${ended}`, { priority: 1 }),
      await act("DELETE", `/api/jobs/${waiting}`),
      await act("POST", `/api/jobs/${SOME_ID}/cancel`),
      await act("POST", `/api/jobs/${waiting}/cancel`, undefined, reader.headers),
      await act("POST", "/api/keys", { name: "x", scopes: ["root"] }),
      await act("DELETE", `/api/keys/${SOME_ID}`),
      await act("PUT", `/api/agents/${SOME_ID}`, { ...AI_AGENT_BODY, model: "" }),
      await act("DELETE", `/api/agents/${SOME_ID}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([409, 409, 409, 409, 404, 403, 422, 404, 422, 404]);
    await act("POST", "/api/jobs/cancel", { filter: { user_id: OWNER }, dry_run: true });
    expect((await audit()).entries).toEqual([]);
  });

  test("a key that is revoked twice is told once", async () => {
    const { id } = await newKey(db);
    for (const _ of [1, 2]) await act("DELETE", `/api/keys/${id}`);
    expect((await audit()).entries).toHaveLength(1);
  });
});

describe("who, without a key of the database:", () => {
  test("a key of the settings is told by a part of its hash", async () => {
    const SETTINGS_KEY = "key-one-0123456789";
    const node = keyedApp(db, { settingsKeys: [SETTINGS_KEY] }).app;
    await request(node, "POST", `/api/jobs/${await job()}/cancel`, { headers: bearer(SETTINGS_KEY) });
    const [entry] = (await audit()).entries;
    expect(entry).toMatchObject({ key_id: null, key_name: null });
    expect(entry!.detail).toEqual({ by: expect.stringMatching(/^settings:[0-9a-f]{12}$/) });
  });

  test("an open service tells that it was anybody", async () => {
    await clear(db);
    await request(app, "POST", `/api/jobs/${await job()}/cancel`);
    expect((await audit("", {})).entries[0]).toMatchObject({ key_id: null, detail: { by: "anybody" } });
  });
});

describe("reading it", () => {
  beforeEach(async () => {
    for (const queue of ["a", "b", "c", "d", "e"]) await act("POST", `/api/queues/${queue}/pause`);
  });

  const queuesOf = (entries: Entry[]) => entries.map(({ detail }) => detail.queue);

  test("the latest first, page by page, undisturbed by what comes meanwhile", async () => {
    const first = await audit("?limit=2");
    expect(queuesOf(first.entries)).toEqual(["e", "d"]);
    await act("POST", "/api/queues/f/pause");
    const second = await audit(`?limit=2&cursor=${first.next_cursor}`);
    expect(queuesOf(second.entries)).toEqual(["c", "b"]);
    const third = await audit(`?limit=2&cursor=${second.next_cursor}`);
    expect(queuesOf(third.entries)).toEqual(["a"]);
    expect(third.next_cursor).toBeNull();
  });

  test("a page that is just full is the last one", async () => {
    expect((await audit("?limit=5")).next_cursor).toBeNull();
  });

  test("of one job, of one action, of both", async () => {
    const [one, other] = [await job(), await job()];
    for (const id of [one, other]) {
      await act("PATCH", `/api/jobs/${id}`, { priority: 1 });
      await act("POST", `/api/jobs/${id}/cancel`);
    }
    const actionsOf = async (query: string) => (await audit(query)).entries.map(({ action }) => action);
    expect(await actionsOf(`?job_id=${one}`)).toEqual(["job.cancel", "job.change"]);
    expect(await actionsOf("?action=job.change")).toEqual(["job.change", "job.change"]);
    expect(await actionsOf(`?action=job.change&job_id=${other.toUpperCase()}`)).toEqual(["job.change"]);
    expect(await actionsOf(`?job_id=${SOME_ID}`)).toEqual([]);
  });

  test.each([
    "limit=0",
    "limit=201",
    "limit=many",
    "cursor=LTE",
    "cursor=%00",
    "job_id=x",
    "action=job.*",
    "action=",
    "key_id=x",
    "action=job.cancel&action=job.retry",
  ])("cannot be asked for by ?%s", async (query) => {
    await problemOf(await request(app, "GET", `/api/audit?${query}`, { headers: admin.headers }), 422);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
});
