import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { connect } from "node:net";
import type { Database } from "../../src/db/connect.ts";
import { type Waiter, waiter } from "../../src/http/waiter.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { end, insertNew, registered, take } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";
import { JSON_TYPE, pointersOf, problemOf, request, SEED_REQUEST, SOME_ID, testApp } from "./client.ts";
import { AUTHORIZATION, served } from "./wire.ts";

const db = await testDatabase();
const events = recorder();

/** A waiter at work, that tells how many wait for it. */
async function newWaiter(on: Database = db): Promise<Waiter & { waiting(): number }> {
  const made = waiter(on, events.emit);
  await made.start();
  onTestFinished(() => made.stop());
  let waiting = 0;
  return {
    ...made,
    waiting: () => waiting,
    async ended(...asked) {
      waiting++;
      await made.ended(...asked).finally(() => {
        waiting--;
      });
    },
  };
}

async function newApp(on: TestDatabase = db) {
  const waiting = await newWaiter(on);
  return { waiting, ...testApp({ db: on, inserter: inserter(on, () => {}), waiter: waiting }) };
}

beforeEach(() => clear(db));

type App = Awaited<ReturnType<typeof newApp>>["app"];

const post = (app: App, query: string, headers: Record<string, string> = {}, body: unknown = SEED_REQUEST) =>
  request(app, "POST", `/api/jobs${query}`, {
    body: JSON.stringify(body),
    headers: { ...JSON_TYPE, ...headers },
  });

const get = (app: App, id: string, query = "", headers: Record<string, string> = {}) =>
  request(app, "GET", `/api/jobs/${id}${query}`, { headers });

async function jobOf(response: Response | Promise<Response>, status: number) {
  const answer = await response;
  expect(answer.status).toBe(status);
  return { headers: answer.headers, job: (await answer.json()) as Record<string, unknown> };
}

/** Longer than any test may take: whoever is answered has not waited for so long. */
const LONG = "?wait=60";

describe("creating and waiting", () => {
  test("answers the result once a worker has it", async () => {
    const { app } = await newApp();
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
    const { app } = await newApp();
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
    const { app } = await newApp();
    const started = performance.now();
    const { job } = await jobOf(post(app, "?wait=1"), 201);
    expect(performance.now() - started).toBeGreaterThan(990);
    expect(job).toMatchObject({ state: "available", result: null });
  });

  test("answers at once without a wish to wait, or with one for no time", async () => {
    const { app, waiting } = await newApp();
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
    const { app, waiting } = await newApp();
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
    const { app } = await newApp();
    const { headers } = await jobOf(post(app, "?wait=1", { prefer: "wait=60" }), 201);
    expect(headers.has("preference-applied")).toBe(false);
  });
});

describe("reading and waiting", () => {
  test("answers when the job ends, however it does", async () => {
    const { app, waiting } = await newApp();
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
    const { app, waiting } = await newApp();
    const [job] = await insertNew(db, 1);
    const answer = jobOf(get(app, job!.id.toUpperCase(), LONG), 200);
    await until("the request to wait", () => waiting.waiting() === 1);
    await cancelJob(db, job!.id);
    expect((await answer).job).toMatchObject({ job_id: job!.id, state: "cancelled" });
  });

  test("of a job that was retried waits again", async () => {
    const { app, waiting } = await newApp();
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
    const { app } = await newApp();
    await problemOf(await get(app, id, LONG), 404);
  });

  test.each(["wait=61", "wait=-1", "wait=1.5", "wait=1e1", "wait=", "wait=true", "wait=1&wait=2"])(
    "%s is refused before anything happens",
    async (query) => {
      const { app } = await newApp();
      const [job] = await insertNew(db, 1);
      expect(pointersOf(await problemOf(await get(app, job!.id, `?${query}`), 422))).toContain("/wait");
      expect(pointersOf(await problemOf(await post(app, `?${query}`), 422))).toContain("/wait");
      expect(await states(db)).toEqual({ available: 1 });
    },
  );

  test("of a thousand at once is answered together, with few statements", async () => {
    let statements = 0;
    const counted: TestDatabase = {
      ...db,
      run(statement) {
        statements++;
        return db.run(statement);
      },
    };
    const waiting = await newWaiter(counted);
    const jobs = await insertNew(db, 500);
    const never = new AbortController().signal;
    const answers = [...jobs, ...jobs].map(({ id }) => waiting.ended(id, 60_000, never));
    const worker = await registered(db);
    const taken = await take(db, worker, 500);
    statements = 0;
    await end(db, worker, taken);
    await Promise.all(answers);
    expect(statements).toBeLessThan(50);
  });

  test("is not forgotten when another one for the same job is answered in the same moment", async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const answer = Promise.withResolvers<void>();
      const slow = await newWaiter({
        ...db,
        async run() {
          await answer.promise;
          return [{ id: SOME_ID }] as never;
        },
      });
      const never = new AbortController().signal;
      const first = slow.ended(SOME_ID, 60_000, never);
      answer.resolve();
      for (let tick = 0; tick < ticks; tick++) await undefined;
      await Promise.all([first, slow.ended(SOME_ID, 60_000, never)]);
    }
  });
});

describe("whoever waits is let go", () => {
  test("when the service stops, at once", async () => {
    const { app, waiting } = await newApp();
    const [job] = await insertNew(db, 1);
    const answers = [get(app, job!.id, LONG), post(app, LONG)];
    await until("both to wait", () => waiting.waiting() === 2);
    await waiting.stop();
    for (const [place, answer] of answers.entries())
      expect((await jobOf(answer, place === 0 ? 200 : 201)).job).toMatchObject({ state: "available" });
    expect((await jobOf(get(app, job!.id, LONG), 200)).job).toMatchObject({ state: "available" });
  });

  test("when the service stops while the database does not answer", async () => {
    const asked = Promise.withResolvers<void>();
    const silent: Database = {
      ...db,
      run() {
        asked.resolve();
        return new Promise(() => {});
      },
    };
    const stuck = waiter(silent, events.emit);
    await stuck.start();
    const ended = stuck.ended(SOME_ID, 60_000, new AbortController().signal);
    await asked.promise;
    void stuck.stop();
    await ended;
  });

  test("when the client has gone away", async () => {
    const waiting = await newWaiter();
    const { url } = await served({ db, inserter: inserter(db, () => {}), waiter: waiting });
    const [job] = await insertNew(db, 1);
    const controller = new AbortController();
    const answer = fetch(`${url}api/jobs/${job!.id}${LONG}`, {
      headers: AUTHORIZATION,
      signal: controller.signal,
    }).catch((error: Error) => error.name);
    await until("the request to wait", () => waiting.waiting() === 1);
    controller.abort();
    expect(await answer).toBe("AbortError");
    await until("nobody to wait", () => waiting.waiting() === 0);
  });

  test("when a client of old has, which named no host", async () => {
    const waiting = await newWaiter();
    const { url } = await served({ db, waiter: waiting });
    const [job] = await insertNew(db, 1);
    const socket = connect(Number(url.port), url.hostname, () =>
      socket.write(
        `GET /api/jobs/${job!.id}${LONG} HTTP/1.0\r\nAuthorization: ${AUTHORIZATION.authorization}\r\n\r\n`,
      ),
    );
    await until("the request to wait", () => waiting.waiting() === 1);
    socket.destroy();
    await until("nobody to wait", () => waiting.waiting() === 0);
  });
});

test("a connection may be silent for as long as is waited, and some more for the answer", async () => {
  const { app } = await newApp();
  const patience: number[] = [];
  const told = { requestIP: () => null, timeout: (_: Request, seconds: number) => patience.push(seconds) };
  app.server = told as never;
  const worker = await registered(db);
  const [job] = await insertNew(db, 1);
  await end(db, worker, await take(db, worker, 1));
  await jobOf(get(app, job!.id, LONG), 200);
  await jobOf(get(app, job!.id), 200);
  await jobOf(get(app, job!.id, "", { prefer: "wait=10" }), 200);
  expect(patience).toEqual([90, 40]);
});

afterAll(() => expect(events.of("step.failed")).toEqual([]));
