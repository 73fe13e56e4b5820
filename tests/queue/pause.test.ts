import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { pauseQueue, resumeQueue } from "../../src/queue/pause.ts";
import { readQueues } from "../../src/queue/queues.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take, working } from "../support/factory.ts";
import { clear, ids, stateOf, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

setDefaultTimeout(30_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const pausedAt = async (name = "default") =>
  (await readQueues(db)).find((queue) => queue.name === name)?.pausedAt ?? null;

describe("a paused queue", () => {
  test("gives no jobs to anybody, and all of them after it was resumed", async () => {
    const worker = await registered(db);
    const jobs = await insertNew(db, 3);
    // Lost twice: such a job is looked for in another way.
    const [suspect] = await insertNew(db, 1);
    await db.sql`update jobsvc.ready set losses = 2 where ${suspect!.id} = any (job_ids)`;
    await pauseQueue(db, "default");
    expect(await take(db, worker, 10)).toEqual([]);
    await resumeQueue(db, "default");
    expect(ids(await take(db, worker, 10)).toSorted()).toEqual(ids([...jobs, suspect!]).toSorted());
  });

  test("takes new jobs in, and lets those end that run", async () => {
    const { worker, jobs } = await working(db, 2);
    await pauseQueue(db, "default");
    await insertNew(db, 1);
    await end(db, worker, [jobs[0]!], {}, []);
    await end(db, worker, [jobs[1]!], { outcome: "failed", failures: 1, retryAfterMs: 0 }, [
      jobs[1]!.leaseId,
    ]);
    expect(await states(db)).toEqual({ completed: 1, available: 2 });
    expect(await take(db, worker, 10)).toEqual([]);
  });

  test("is one queue, and not the others", async () => {
    const worker = await registered(db);
    await insertNew(db, 1, { queue: "mail" });
    const [job] = await insertNew(db, 1);
    await pauseQueue(db, "mail");
    expect(ids(await take(db, worker, 10))).toEqual([job!.id]);
  });

  test("stays paused since the first time, and is resumed once and for all", async () => {
    await pauseQueue(db, "default");
    const since = await pausedAt();
    expect(since).toBeInstanceOf(Date);
    await pauseQueue(db, "default");
    expect(await pausedAt()).toEqual(since);
    await resumeQueue(db, "default");
    await resumeQueue(db, "default");
    expect(await pausedAt()).toBeNull();
    await pauseQueue(db, "default");
    expect((await pausedAt())!.getTime()).toBeGreaterThan(since!.getTime());
  });

  test("may be one of which nobody has heard", async () => {
    await resumeQueue(db, "never seen");
    expect(await readQueues(db)).toEqual([]);
    await pauseQueue(db, "never seen");
    const [job] = await insertNew(db, 1, { queue: "never seen" });
    const worker = await registered(db);
    expect(await take(db, worker, 1, { queue: "never seen" })).toEqual([]);
    expect(await stateOf(db, job!.id)).toBe("available");
  });
});

describe("a worker", () => {
  /** So many looks for work from now on. */
  async function looks(worker: TestWorker, count: number) {
    const before = worker.statements();
    await until(`${count} more looks`, () => worker.statements() >= before + count);
  }

  test("obeys at once, in the middle of many jobs, and goes on where it was", async () => {
    await insertNew(db, 1_000);
    const queues = [{ name: "default", slots: 2 }];
    const worker = await startWorker(db, [handler(() => Bun.sleep(5))], { queues, pollIntervalMs: 20 });
    await until("some to be done", async () => ((await states(db)).completed ?? 0) > 10);
    await pauseQueue(db, "default");
    await until("those to end that ran", async () => (await states(db)).running === undefined);
    const left = await states(db);
    expect(left.available).toBeGreaterThan(0);
    await looks(worker, 5);
    expect(await states(db)).toEqual(left);
    await resumeQueue(db, "default");
    await until("all to be done", async () => (await states(db)).completed === 1_000);
  });

  test("is woken by a resume, wherever that was said", async () => {
    const worker = await startWorker(db, [handler(() => "done")]);
    const [first] = await insertNew(db, 1);
    worker.wake("default");
    await until("the first to be done", async () => (await stateOf(db, first!.id)) === "completed");
    await pauseQueue(db, "default");
    const [second] = await insertNew(db, 1);
    worker.wake("default");
    await looks(worker, 1);
    expect(await stateOf(db, second!.id)).toBe("available");
    await resumeQueue(db, "default");
    await until("the second to be done", async () => (await stateOf(db, second!.id)) === "completed");
  });
});
