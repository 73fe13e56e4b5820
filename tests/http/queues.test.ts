import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, passTime, registered, TTL_MS, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { problemOf, request } from "./client.ts";
import { keyedApp, newKey, OWNER } from "./keyed.ts";
import { AUTHORIZATION, SETTINGS_KEY } from "./wire.ts";

const db = await testDatabase();
const { app, told } = keyedApp(db, { settingsKeys: [SETTINGS_KEY] });

beforeEach(() => clear(db));

interface Queue {
  name: string;
  paused_at: string | null;
  available: number;
  scheduled: number;
  running: number;
  oldest_wait_ms: number | null;
  workers: number;
}

const call = (method: string, path = "", headers: Record<string, string> = AUTHORIZATION) =>
  request(app, method, `/api/queues${path}`, { headers });

async function queues(): Promise<Queue[]> {
  const response = await call("GET");
  expect(response.status).toBe(200);
  const body = (await response.json()) as { queues: Queue[] };
  expect(Object.keys(body)).toEqual(["queues"]);
  return body.queues;
}

async function turned(action: "pause" | "resume", name: string): Promise<Queue> {
  const response = await call("POST", `/${name}/${action}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Queue;
}

const EMPTY = { paused_at: null, available: 0, scheduled: 0, running: 0, oldest_wait_ms: null, workers: 0 };
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("the list of queues", () => {
  test("is empty at first", async () => {
    expect(await queues()).toEqual([]);
  });

  test("tells what waits, what runs and who takes it, queue by queue", async () => {
    await registered(db, { queues: ["default", "idle"] });
    const { worker, jobs } = await working(db, 4);
    await end(db, worker, [jobs[0]!], {}, []);
    await end(db, worker, [jobs[1]!], { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    await insertNew(db, 3, { scheduledAt: new Date(Date.now() + 60_000) });
    await insertNew(db, 5, { queue: "mail", kind: "client_agent" });
    expect(await queues()).toEqual([
      { ...EMPTY, name: "default", scheduled: 4, running: 2, workers: 2 },
      { ...EMPTY, name: "idle", workers: 1 },
      { ...EMPTY, name: "mail", available: 5, oldest_wait_ms: expect.any(Number) },
    ]);
  });

  test("tells how long the oldest has waited that is due", async () => {
    await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    expect(await queues()).toMatchObject([{ scheduled: 1, oldest_wait_ms: null }]);
    await passTime(db, 100_000);
    await insertNew(db, 1);
    const [queue] = await queues();
    expect(queue).toMatchObject({ available: 2, scheduled: 0 });
    expect(queue!.oldest_wait_ms).toBeGreaterThan(39_000);
    expect(queue!.oldest_wait_ms).toBeLessThan(60_000);
    expect(queue!.oldest_wait_ms).toBeInteger();
  });

  test("remembers a queue in which everything has ended", async () => {
    const worker = await registered(db);
    await insertNew(db, 1);
    await end(db, worker, await take(db, worker, 1));
    const [job] = await insertNew(db, 1, { queue: "mail" });
    await cancelJob(db, job!.id);
    await expire(db, worker);
    expect(await queues()).toEqual([
      { ...EMPTY, name: "default" },
      { ...EMPTY, name: "mail" },
    ]);
  });

  test("counts no worker that is dead or about to leave", async () => {
    const [living, dead, leaving] = [await registered(db), await registered(db), await registered(db)];
    expect(await queues()).toMatchObject([{ workers: 3 }]);
    await expire(db, dead);
    await beat(db, { worker: leaving, ttlMs: TTL_MS, draining: true, heldLeases: null, heldAttempts: [] });
    expect(await queues()).toMatchObject([{ workers: 1 }]);
    await expire(db, living);
    expect(await queues()).toEqual([]);
  });
});

describe("pausing and resuming", () => {
  test("answers the queue as it is then", async () => {
    await insertNew(db, 2);
    const paused = await turned("pause", "default");
    expect(paused).toEqual({
      ...EMPTY,
      name: "default",
      available: 2,
      paused_at: ISO,
      oldest_wait_ms: expect.any(Number),
    });
    expect((await turned("pause", "default")).paused_at).toBe(paused.paused_at);
    expect(await queues()).toMatchObject([{ paused_at: paused.paused_at }]);
    const worker = await registered(db);
    expect(await take(db, worker, 2)).toEqual([]);
    expect(await turned("resume", "default")).toMatchObject({ paused_at: null, available: 2 });
    expect(await take(db, worker, 2)).toHaveLength(2);
  });

  test("knows queues that have yet to come", async () => {
    expect(await turned("resume", "later")).toEqual({ ...EMPTY, name: "later" });
    expect(await queues()).toEqual([]);
    expect(await turned("pause", "later")).toEqual({ ...EMPTY, name: "later", paused_at: ISO });
    expect(await queues()).toEqual([{ ...EMPTY, name: "later", paused_at: ISO }]);
  });

  test.each(["A.b_c:d-9", "a%3Ab", "q".repeat(64), "constructor", "pause"])(
    "takes the name %s",
    async (name) => {
      expect((await turned("pause", name)).name).toBe(decodeURIComponent(name));
      expect(await queues()).toMatchObject([{ name: decodeURIComponent(name) }]);
    },
  );

  test.each(["-a", "a%20b", "%00", "a%00", "é", "a%2Fb", "q".repeat(65), "%ff", "%ED%A0%80", "..%2f"])(
    "finds nothing at the name %s",
    async (name) => {
      for (const action of ["pause", "resume"])
        await problemOf(await call("POST", `/${name}/${action}`), 404);
      expect(await queues()).toEqual([]);
    },
  );

  test("leaves a row that says who did it", async () => {
    const { id, headers } = await newKey(db, { scopes: ["jobs:manage"] });
    for (const action of ["pause", "pause", "resume"]) await call("POST", `/mail/${action}`, headers);
    const rows = await db.sql`select action, key_id, job_id, detail from jobsvc.audit order by id`;
    const row = { key_id: id, job_id: null, detail: { queue: "mail" } };
    expect([...rows]).toEqual([
      { action: "queue.pause", ...row },
      { action: "queue.pause", ...row },
      { action: "queue.resume", ...row },
    ] as never);
  });

  test("is not for a key that is bound to a user, and neither is the list", async () => {
    const { headers } = await newKey(db, { userId: OWNER });
    await problemOf(await call("GET", "", headers), 403);
    await problemOf(await call("POST", "/default/pause", headers), 403);
    expect(await queues()).toEqual([]);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
