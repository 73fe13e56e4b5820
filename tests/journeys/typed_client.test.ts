import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { documentFile } from "../openapi/document.ts";
import { INSTALL_MS, runTool } from "../openapi/tools.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";

const ROOT = join(import.meta.dir, "../..");
const CLIENT = join(ROOT, "tests/openapi/client");
const KEY = "key-of-the-typed-client";

type Leg = "createAndRead" | "manage" | "many" | "operate" | "work" | "beRefused";

/** The program beside the document. Not imported by its name: its types come of the document, in the first test. */
type Journey = Record<Leg, (client: unknown) => Promise<Record<string, unknown>>> & {
  typedClient(url: string, key: string): unknown;
};

let folder: string;

beforeAll(async () => {
  const cache = join(ROOT, "node_modules/.cache");
  await mkdir(cache, { recursive: true });
  folder = await mkdtemp(join(cache, "typed-client-"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test(
  "a client made from the document compiles, as strictly as everything else, and only if it is used well",
  async () => {
    await using document = await documentFile();
    // What has a default need not be sent.
    const args = [document.path, "--default-non-nullable=false", "-o", join(folder, "api.ts")];
    const made = await runTool("openapi-typescript", args);
    expect(made).toMatchObject({ exitCode: 0 });
    await Bun.write(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(ROOT, "tsconfig.json"),
        compilerOptions: { paths: { "jobsvc-api": [join(folder, "api.ts")] } },
        include: [CLIENT, join(folder, "api.ts")],
        exclude: [],
      }),
    );
    const tsc = Bun.spawn(["node_modules/.bin/tsc", "-p", folder], {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await new Response(tsc.stdout).text()).toBe("");
    expect(await tsc.exited).toBe(0);
  },
  INSTALL_MS,
);

describe("the client against the service", async () => {
  const db = await testDatabase();
  const { url: DATABASE_URL } = await proxyTo(db.address);
  const service = await startService({
    args: ["--port=0", "--queues=typed:10", "--client-agent-simulation-ms=10"],
    env: { DATABASE_URL, JOBSVC_API_KEYS: KEY },
    lives: "file",
  });
  const journey: Journey = await import(join(CLIENT, "journey.ts"));
  const client = journey.typedClient(service.url, KEY);

  test("creates jobs and reads them", async () => {
    const { id, job, ...seen } = await journey.createAndRead(client);
    expect(seen).toEqual({
      replayedId: id,
      replayed: "true",
      unchanged: 304,
      waited: { state: "completed", outcomes: ["completed"] },
      events: ["event: state", "event: state"],
    });
    expect(job).toMatchObject({
      job_id: id,
      state: "completed",
      payload: { greeting: "héllo", list: [1, null, true] },
    });
  });

  test("changes, cancels, retries and deletes one", async () => {
    expect(await journey.manage(client)).toEqual({
      why: "scheduled",
      priority: 1,
      tooEarly: "urn:problem-type:jobsvc:not-final",
      cancelled: "cancelled",
      twice: "urn:problem-type:jobsvc:already-final",
      retried: "completed",
      deleted: 204,
      gone: 404,
    });
  });

  test("creates many, pages through them, and cancels them together", async () => {
    const { created, listed, counted, cancelled } = await journey.many(client);
    expect(created).toHaveLength(5);
    expect(listed).toEqual((created as string[]).toReversed());
    expect(counted).toEqual({ matched: 5, changed: 0, complete: true });
    expect(cancelled).toEqual({ matched: 5, changed: 5, complete: true });
  });

  test("operates queues and keys", async () => {
    const { key, ...seen } = await journey.operate(client);
    const { id } = key as { id: string };
    expect(seen).toMatchObject({ isPaused: [true, false], queues: ["typed"], ready: "ready" });
    expect(seen.kinds).toContain("client_agent");
    expect(seen.cancelled).toBeGreaterThan(4);
    expect(key).toMatchObject({ name: "typed", state: "revoked", key: expect.stringMatching(/^jsk_/) });
    expect(seen.audited).toMatchObject({ key_id: id });
  });

  test("takes a job, tells of it and ends it", async () => {
    expect(await journey.work(client)).toEqual({
      isOurs: true,
      payload: { greeting: "héllo", list: [1, null, true] },
      isKept: true,
      told: [204, 204, 204],
      outcome: "failed",
      retryInMs: null,
      reason: "finished",
    });
  });

  test("is told what is wrong", async () => {
    expect(await journey.beRefused(client)).toEqual({
      type: "urn:problem-type:jobsvc:invalid",
      pointers: ["/priority"],
    });
  });
});
