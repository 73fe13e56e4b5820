import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";
import { pointersOf, problemOf, SOME_ID } from "./client.ts";
import { events, get, jobOf, LONG, newApp, post } from "./waiting.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("creating and waiting", () => {
  test("answers the result once a worker has it", async () => {
    const { app } = await newApp(db);
    const go = Promise.withResolvers<void>();
    const work = handler(async () => {
      await go.promise;
      return { answer: 42 };
    });
    await startWorker(db, [work], { pollIntervalMs: 10 });
    const answer = jobOf(post(app, LONG), 201);
    await until("the job to run", async () => (await states(db)).running === 1);
    go.resolve();
    const { job, headers } = await answer;
    expect(job).toMatchObject({
      state: "completed",
      result: { answer: 42 },
      attempts: [{ outcome: "completed" }],
    });
    expect(headers.get("location")).toBe(`/api/jobs/${job.job_id}`);
    expect(headers.get("etag")).toMatch(/^"[\w-]{43}"$/);
    expect(headers.has("preference-applied")).toBe(false);
  });

  test("waits for the last attempt, not for the first", async () => {
    const { app } = await newApp(db);
    const fails = handler(
      (_, { attempt }) => {
        if (attempt === 1) throw new Error("not yet");
        return "done";
      },
      { retry: { type: "fixed", delayMs: 1 } },
    );
    await startWorker(db, [fails], { pollIntervalMs: 10 });
    expect((await jobOf(post(app, LONG), 201)).job).toMatchObject({
      state: "completed",
      result: "done",
      attempts: [{ outcome: "failed" }, { outcome: "completed" }],
    });
  });

  test("answers the job as it is when the time is over", async () => {
    const { app } = await newApp(db);
    const started = performance.now();
    const { job } = await jobOf(post(app, "?wait=1"), 201);
    expect(performance.now() - started).toBeGreaterThan(990);
    expect(job).toMatchObject({ state: "available", result: null });
  });

  test("answers at once without a wish to wait, or with one for no time", async () => {
    const { app, waiting } = await newApp(db);
    for (const [query, prefer] of [
      ["", ""],
      ["?wait=0", ""],
      ["?wait=0", "wait=60"],
      ["", "wait=0"],
      ["", "respond-async"],
      ["", "waiting=60"],
      ["", "wait=-1"],
      ["", "wait=1.5"],
      ["", "wait=soon"],
    ] as const) {
      const { headers } = await jobOf(post(app, query, prefer ? { prefer } : {}), 201);
      expect(headers.has("preference-applied")).toBe(false);
    }
    expect(waiting.waiting()).toBe(0);
  });
});

describe("a wish in a Prefer header", () => {
  test.each([
    ["wait=30", "wait=30"],
    ["WAIT=5", "wait=5"],
    ["respond-async, wait=7", "wait=7"],
    ["wait=8; strict", "wait=8"],
    ["wait=100000", "wait=60"],
    ['return=minimal,wait=9,foo="bar"', "wait=9"],
  ])("%s is heeded, and the answer says so: %s", async (prefer, applied) => {
    const { app, waiting } = await newApp(db);
    const answer = jobOf(post(app, "", { prefer }), 201);
    await until("the request to wait", () => waiting.waiting() === 1);
    const [job] = await db.sql<{ id: string }[]>`select id from jobsvc.jobs`;
    await cancelJob(db, job!.id);
    const { headers, job: answered } = await answer;
    expect(answered).toMatchObject({ state: "cancelled" });
    expect(headers.get("preference-applied")).toBe(applied);
    const read = await jobOf(get(app, job!.id, "", { prefer }), 200);
    expect(read.headers.get("preference-applied")).toBe(applied);
  });

  test("does not count where the address says how long", async () => {
    const { app } = await newApp(db);
    const { headers } = await jobOf(post(app, "?wait=1", { prefer: "wait=60" }), 201);
    expect(headers.has("preference-applied")).toBe(false);
  });
});

describe("reading and waiting", () => {
  test("answers when the job ends, however it does", async () => {
    const { app, waiting } = await newApp(db);
    const worker = await registered(db);
    const ends = {
      completed: async () => void (await end(db, worker, await take(db, worker, 1))),
      failed: async () => void (await end(db, worker, await take(db, worker, 1), { outcome: "failed" })),
      cancelled: async (id: string) => void (await cancelJob(db, id)),
    };
    for (const [state, ending] of Object.entries(ends)) {
      const [job] = await insertNew(db, 1);
      const answer = jobOf(get(app, job!.id, LONG), 200);
      await until("the request to wait", () => waiting.waiting() === 1);
      await ending(job!.id);
      expect((await answer).job).toMatchObject({ state });
      expect((await jobOf(get(app, job!.id, LONG), 200)).job).toMatchObject({ state });
    }
  });

  test("takes an id in capitals", async () => {
    const { app, waiting } = await newApp(db);
    const [job] = await insertNew(db, 1);
    const answer = jobOf(get(app, job!.id.toUpperCase(), LONG), 200);
    await until("the request to wait", () => waiting.waiting() === 1);
    await cancelJob(db, job!.id);
    expect((await answer).job).toMatchObject({ job_id: job!.id, state: "cancelled" });
  });

  test("of a job that was retried waits again", async () => {
    const { app, waiting } = await newApp(db);
    const worker = await registered(db);
    const [job] = await insertNew(db, 1);
    await end(db, worker, await take(db, worker, 1), { outcome: "failed" });
    await retryJob(db, job!.id);
    const answer = jobOf(get(app, job!.id, LONG), 200);
    await until("the request to wait", () => waiting.waiting() === 1);
    await end(db, worker, await take(db, worker, 1));
    expect((await answer).job).toMatchObject({ state: "completed" });
  });

  test.each([SOME_ID, "x"])("does not wait for what is not there: %s", async (id) => {
    const { app } = await newApp(db);
    await problemOf(await get(app, id, LONG), 404);
  });

  test.each(["wait=61", "wait=-1", "wait=1.5", "wait=1e1", "wait=", "wait=true", "wait=1&wait=2"])(
    "%s is refused before anything happens",
    async (query) => {
      const { app } = await newApp(db);
      const [job] = await insertNew(db, 1);
      expect(pointersOf(await problemOf(await get(app, job!.id, `?${query}`), 422))).toContain("/wait");
      expect(pointersOf(await problemOf(await post(app, `?${query}`), 422))).toContain("/wait");
      expect(await states(db)).toEqual({ available: 1 });
    },
  );
});

afterAll(() => expect(events.of("step.failed")).toEqual([]));
