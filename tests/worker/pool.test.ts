import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Snooze } from "../../src/job/errors.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, passTime } from "../support/factory.ts";
import { clear, endings, ids, leases, outcomes, stateOf, states } from "../support/facts.ts";
import { handler, stubborn } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const completed = (count: number) =>
  until(`${count} completed jobs`, async () => (await states(db)).completed === count);

/** A handler that knows how many of it run now, and how many ran at most. */
function gauge(work: () => unknown = () => Bun.sleep(1)) {
  const seen = { now: 0, most: 0, jobs: [] as string[] };
  const definition = handler(async (_, { job }) => {
    seen.jobs.push(job.id);
    seen.most = Math.max(seen.most, ++seen.now);
    await work();
    seen.now--;
  });
  return { definition, seen };
}

describe("the slots of a queue", () => {
  test("are all used, and never exceeded", async () => {
    const { definition, seen } = gauge(() => Bun.sleep(10));
    await insertNew(db, 60);
    await startWorker(db, [definition], { queues: [{ name: "default", slots: 7 }] });
    await completed(60);
    expect(seen.most).toBe(7);
  });

  test("are its own: a queue that is full leaves the others alone", async () => {
    await insertNew(db, 3, { queue: "slow" });
    const quick = await insertNew(db, 3, { queue: "quick" });
    const queues = ["slow", "quick"].map((name) => ({ name, slots: 1 }));
    await startWorker(db, [handler((_, { job }) => (job.queue === "slow" ? stubborn() : "done"))], {
      queues,
      graceMs: 0,
    });
    await completed(3);
    for (const { id } of quick) expect(await stateOf(db, id)).toBe("completed");
  });

  test("bound what is taken: of long jobs no more than can run", async () => {
    await insertNew(db, 10);
    const { definition, seen } = gauge(stubborn);
    const worker = await startWorker(db, [definition], {
      queues: [{ name: "default", slots: 2 }],
      graceMs: 0,
    });
    await until("two running jobs", () => seen.now === 2);
    worker.wake("default");
    expect((await leases(db)).flatMap(({ jobIds }) => jobIds)).toHaveLength(2);
    expect(await states(db)).toEqual({ running: 2, available: 8 });
  });

  test("are free again when a handler does not heed its time limit", async () => {
    const [stuck] = await insertNew(db, 1, { timeoutMs: 20, maxAttempts: 1 });
    const [next] = await insertNew(db, 1);
    const work = handler((_, { job }) => (job.id === stuck!.id ? stubborn() : "done"));
    await startWorker(db, [work], { queues: [{ name: "default", slots: 1 }] });
    await until("the next job", async () => (await stateOf(db, next!.id)) === "completed");
    expect(await stateOf(db, stuck!.id)).toBe("failed");
  });
});

describe("a pool", () => {
  test("runs a thousand jobs, each of them once", async () => {
    const { definition, seen } = gauge(() => undefined);
    const jobs = await insertNew(db, 1_000);
    await startWorker(db, [definition], { queues: [{ name: "default", slots: 50 }] });
    await completed(1_000);
    expect(seen.jobs.toSorted()).toEqual(ids(jobs).toSorted());
    expect(await leases(db)).toEqual([]);
  });

  test("lets endings be written between handlers that keep the thread busy", async () => {
    const statements: number[] = [];
    const busy = handler(() => {
      statements.push(worker.statements());
      for (const begunMs = performance.now(); performance.now() - begunMs < 100; );
    });
    await insertNew(db, 20);
    const worker = await startWorker(db, [busy], { queues: [{ name: "default", slots: 20 }] });
    await completed(20);
    expect(statements.at(-1)).toBeGreaterThan(statements[0]! + 5);
  });

  test("takes tiny jobs ahead: a take for many, not one for each", async () => {
    await insertNew(db, 1_000);
    const queues = [{ name: "default", slots: 10 }];
    const worker = await startWorker(db, [handler(() => undefined)], { queues });
    await completed(1_000);
    // Ten at a time would be a hundred takes, and about as many groups of endings.
    expect(worker.statements()).toBeLessThan(100);
  });

  test("leaves nothing of a block behind when two of its takes look there at once", async () => {
    // While one take cuts a block, the other finds nothing in it. Whether they meet is chance: in one round of twenty or so.
    const queues = [{ name: "default", slots: 7 }];
    const worker = await startWorker(db, [handler(() => Bun.sleep(11))], { queues });
    for (let round = 1; round <= 12; round++) {
      await insertNew(db, 165);
      worker.wake("default");
      await completed(165 * round);
    }
  });

  test("gives back what it took ahead when its slots stay busy, for others to run", async () => {
    const here: unknown[] = [];
    const blocked = handler((payload) => {
      here.push(payload);
      return payload === "long" ? stubborn() : "done";
    });
    const options = { queues: [{ name: "default", slots: 1 }], graceMs: 0 };
    await insertNew(db, 50);
    const worker = await startWorker(db, [blocked], options);
    await completed(50);
    await insertNew(db, 1, { payload: '"long"', priority: 1 });
    const short = await insertNew(db, 3, { payload: '"short"' });
    worker.wake("default");

    await worker.heard("worker.gave_back", ({ queue, jobs }) => queue === "default" && jobs === 3);
    await until("the long one alone", async () => {
      const { running, available } = await states(db);
      return running === 1 && available === 3;
    });
    await startWorker(db, [handler(() => "done")], options);
    await completed(53);
    expect(here).not.toContain("short");
    for (const { id } of short) expect(await outcomes(db, id)).toEqual(["released", "completed"]);
  });

  test("takes no job ahead that must not run again once it is lost, however tiny it is", async () => {
    await insertNew(db, 300);
    const queues = [{ name: "default", slots: 3 }];
    const worker = await startWorker(db, [handler(() => undefined, { onLost: "fail" })], { queues });
    await completed(300);
    expect(worker.statements()).toBeGreaterThanOrEqual(300 / 3);
  });

  test("goes by priority", async () => {
    const order: number[] = [];
    const priorities = [5, 9, 1, 3, 7, 2, 8, 4, 6];
    for (const priority of priorities) await insertNew(db, 3, { priority, payload: `${priority}` });
    await startWorker(db, [handler((payload) => void order.push(Number(payload)))], {
      queues: [{ name: "default", slots: 1 }],
    });
    await completed(27);
    expect(order).toEqual(priorities.flatMap((priority) => [priority, priority, priority]).toSorted());
  });

  test("leaves kinds that it does not know to a worker that knows them", async () => {
    const [unknown] = await insertNew(db, 1, { kind: "video", priority: 1 });
    await insertNew(db, 3);
    await startWorker(db, [handler(() => 1)]);
    await completed(3);
    expect(await stateOf(db, unknown!.id)).toBe("available");
    expect(await outcomes(db, unknown!.id)).toEqual([]);
    await startWorker(db, [handler(() => 1, { kind: "video" })]);
    await completed(4);
  });

  test("has a job wait that a handler puts off, though it has no tries to lose", async () => {
    const [job] = await insertNew(db, 1, { maxAttempts: 1 });
    const patient = handler((_, { attempt }) => {
      if (attempt < 3) throw new Snooze(attempt === 1 ? 0 : 3_600_000, "not ready");
    });
    const worker = await startWorker(db, [patient], { pollIntervalMs: 20 });
    await until("the second snooze", async () => (await outcomes(db, job!.id)).length === 2);
    expect(await stateOf(db, job!.id)).toBe("retryable");
    expect(await endings(db, job!.id)).toMatchObject(
      [1, 2].map((attempt) => ({
        attempt,
        outcome: "snoozed",
        error: { name: "Snooze", message: "not ready" },
      })),
    );
    await passTime(db, 3_600_000);
    await completed(1);
    expect(await outcomes(db, job!.id)).toEqual(["snoozed", "snoozed", "completed"]);
    const retry_in_ms = expect.any(Number);
    expect(worker.of("job.retrying")).toMatchObject(
      [1, 2].map((attempt) => ({ attempt, outcome: "snoozed", retry_in_ms })),
    );
  });

  test("tells of a retry function that fails, and tries the job again all the same", async () => {
    const [job] = await insertNew(db, 1);
    const broken = handler(() => Promise.reject(new Error("x")), { retry: () => Number.NaN });
    const worker = await startWorker(db, [broken]);
    const told = await worker.heard("handler.retry_failed");
    expect(told).toMatchObject({
      job_id: job!.id,
      kind: "ai_agent",
      attempt: 1,
      error: expect.any(TypeError),
    });
    expect(await worker.heard("job.retrying")).toMatchObject({ outcome: "failed", attempt: 1 });
  });

  test("tells of every job when it starts and when it ends", async () => {
    const [fine] = await insertNew(db, 1);
    const failsOnce = handler(
      (_, { attempt }) => {
        if (attempt === 1) throw new Error("not yet");
      },
      { retry: { type: "fixed", delayMs: 0 } },
    );
    const worker = await startWorker(db, [failsOnce], { pollIntervalMs: 20 });
    await worker.heard("job.ended");
    const fields = { job_id: fine!.id, kind: "ai_agent", queue: "default", worker_id: worker.id };
    const ms = expect.any(Number);
    expect(worker.of("job.started")).toMatchObject([1, 2].map((attempt) => ({ ...fields, attempt })));
    expect(worker.of("job.retrying")).toMatchObject([
      { ...fields, attempt: 1, outcome: "failed", ms, retry_in_ms: 0, error: "Error: not yet" },
    ]);
    expect(worker.of("job.ended")).toMatchObject([{ ...fields, attempt: 2, outcome: "completed", ms }]);
  });
});

describe("two workers on one queue", () => {
  test("share it, and run no job twice", async () => {
    const runs = new Map<string, string[]>();
    const options = { queues: [{ name: "default", slots: 5 }], pollIntervalMs: 20 };
    const start = (name: string) =>
      startWorker(
        db,
        [
          handler(async (_, { job }) => {
            runs.set(job.id, [...(runs.get(job.id) ?? []), name]);
            await Bun.sleep(2);
          }),
        ],
        options,
      );
    await Promise.all([start("one"), start("other")]);
    for (let block = 0; block < 20; block++) await insertNew(db, 25);
    await completed(500);
    const by = [...runs.values()];
    expect(by.every((names) => names.length === 1)).toBe(true);
    expect(by).toHaveLength(500);
    expect(new Set(by.flat())).toEqual(new Set(["one", "other"]));
  });
});

describe("a job that is cancelled before its turn", () => {
  test("does not start, although this worker holds it already", async () => {
    const started: unknown[] = [];
    const unblocked = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    const definition = handler(async (payload, { signal }) => {
      started.push(payload);
      signal.addEventListener("abort", () => cancelled.resolve());
      if (payload === "first") await unblocked.promise;
      if (payload === "second") await cancelled.promise;
    });
    // Tiny jobs make the worker take ahead; then two keep its slots, and the third has to wait.
    await insertNew(db, 50);
    const worker = await startWorker(db, [definition], { queues: [{ name: "default", slots: 2 }] });
    await completed(50);
    const [first] = await insertNew(db, 1, { payload: '"first"', priority: 1 });
    const [second] = await insertNew(db, 1, { payload: '"second"', priority: 2 });
    const [third] = await insertNew(db, 1, { payload: '"third"', priority: 3 });
    worker.wake("default");
    await until("the third job to be held here", async () => (await stateOf(db, third!.id)) === "running");

    await cancelJob(db, third!.id);
    // Notifications arrive in their order: when this one has, so has the one before.
    await cancelJob(db, second!.id);
    await cancelled.promise;
    unblocked.resolve();
    await until("the first job", async () => (await stateOf(db, first!.id)) === "completed");
    await until("no lease", async () => (await leases(db)).length === 0);
    expect(started).toContain("second");
    expect(started).not.toContain("third");
  });
});
