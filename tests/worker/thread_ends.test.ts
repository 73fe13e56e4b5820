import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, endings, outcomes, stateOf, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { linesOf } from "../support/lines.ts";
import { startThreadWorker, threadHandlers } from "../support/threads.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

/** Says that it runs, and is stuck: on the first attempt, or when the payload says so. */
const STUCK = `context.log("runs"); while (payload === "stuck") {} return runs;`;
/** The same, but it leaves the event loop of its thread free. */
const DEAF = `context.log("runs"); if (payload === "stuck") await new Promise(() => {}); return runs;`;

const stuckJob = async (changes: Parameters<typeof insertNew>[2] = {}) => {
  const [job] = await insertNew(db, 1, { kind: "heavy", payload: '"stuck"', maxAttempts: 1, ...changes });
  return job!;
};

const runs = (id: string) => until("a word of the job", async () => (await linesOf(db, id)).length > 0);
const reached = (id: string, state: string) =>
  until(`the job to be ${state}`, async () => (await stateOf(db, id)) === state);

describe("a handler that goes on after it was told to stop", () => {
  test.each([
    ["spins", STUCK],
    ["waits", DEAF],
  ])("%s beyond its time: its attempt has timed out, and its thread is ended", async (_, body) => {
    const worker = await startThreadWorker(db, await threadHandlers({ heavy: body }), { handlerThreads: 1 });
    const stuck = await stuckJob({ timeoutMs: 100 });
    const [next] = await insertNew(db, 1, { kind: "heavy" });
    await reached(stuck.id, "failed");
    expect(await endings(db, stuck.id)).toMatchObject([
      { outcome: "failed", error: { reason: "timed_out" } },
    ]);
    await reached(next!.id, "completed");
    const { id: job_id, kind, queue } = stuck;
    const fields = { job_id, kind, queue, attempt: 1, worker_id: worker.id, reason: "timed_out" };
    expect(worker.of("handler.terminated")).toEqual([fields]);
    // In a thread of its own: the first one is gone.
    expect(await endings(db, next!.id)).toMatchObject([{ result: "1" }]);
  });

  test("is tried again as after any failure", async () => {
    const handlers = await threadHandlers({ heavy: "while (context.attempt === 1) {} return 'at last';" });
    const [job] = await insertNew(db, 1, { kind: "heavy", timeoutMs: 500 });
    await startThreadWorker(db, handlers);
    await reached(job!.id, "completed");
    expect(await outcomes(db, job!.id)).toEqual(["failed", "completed"]);
  });

  test("harms nobody else: not in other threads, not on the main thread, not the heartbeat", async () => {
    const handlers = await threadHandlers({
      heavy: STUCK,
      slow: "for (let n = 0; n < 60; n++) { await Bun.sleep(25); context.emit(n); } return 'slept';",
    });
    const worker = await startThreadWorker(db, handlers, {
      definitions: [handler(() => Bun.sleep(1))],
      ttlMs: 1_000,
    });
    const stuck = await stuckJob({ timeoutMs: 200 });
    const [slow] = await insertNew(db, 1, { kind: "slow" });
    await insertNew(db, 200);
    await reached(slow!.id, "completed");
    await worker.heard("handler.terminated");
    expect(await stateOf(db, stuck.id)).toBe("failed");
    expect(await states(db)).toEqual({ failed: 1, completed: 201 });
    expect(await linesOf(db, slow!.id)).toHaveLength(60);
    expect(worker.of("worker.leases_lost")).toEqual([]);
    expect(worker.of("job.retrying")).toEqual([]);
  });

  test("and talks without end is ended like any other, and leaves what an attempt may leave", async () => {
    const handlers = await threadHandlers({ heavy: "while (true) context.emit('x');" });
    const worker = await startThreadWorker(db, handlers);
    const stuck = await stuckJob({ timeoutMs: 1_500 });
    await worker.heard("handler.terminated");
    await reached(stuck.id, "failed");
    expect((await linesOf(db, stuck.id)).length).toBeLessThanOrEqual(20_001);
  });

  test("is ended when its job is cancelled", async () => {
    const worker = await startThreadWorker(db, await threadHandlers({ heavy: STUCK }), { handlerThreads: 1 });
    const stuck = await stuckJob();
    await runs(stuck.id);
    expect(await cancelJob(db, stuck.id)).toBe("cancelled");
    const [next] = await insertNew(db, 1, { kind: "heavy" });
    await reached(next!.id, "completed");
    expect(worker.of("handler.terminated")).toMatchObject([{ job_id: stuck.id, reason: "cancelled" }]);
    expect(await outcomes(db, stuck.id)).toEqual(["cancelled"]);
  });

  test("is ended when its job is lost", async () => {
    const worker = await startThreadWorker(db, await threadHandlers({ heavy: STUCK }), { ttlMs: 1_000 });
    const stuck = await stuckJob();
    await runs(stuck.id);
    await db.sql`update jobsvc.leases set worker_id = null`;
    expect(await rescueJobs(db, { maxLosses: 1, limit: 1 })).toMatchObject({ crashed: 1 });
    expect(await worker.heard("handler.terminated")).toMatchObject({ job_id: stuck.id });
    expect(await outcomes(db, stuck.id)).toEqual(["failed"]);
  });

  test("is ended at shutdown after the grace, and its job can run elsewhere", async () => {
    const worker = await startThreadWorker(db, await threadHandlers({ heavy: STUCK }), { graceMs: 50 });
    const stuck = await stuckJob();
    await runs(stuck.id);
    await worker.stop();
    expect(worker.of("handler.terminated")).toMatchObject([{ job_id: stuck.id, reason: "released" }]);
    expect(await endings(db, stuck.id)).toMatchObject([{ attempt: 1, outcome: "released", error: null }]);
    expect(await stateOf(db, stuck.id)).toBe("available");
  });

  test("keeps its place until it is ended: threads are never more than they may be", async () => {
    const handlers = await threadHandlers({ heavy: STUCK });
    const worker = await startThreadWorker(db, handlers, { handlerThreads: 1 });
    const stuck = [await stuckJob({ timeoutMs: 20 }), await stuckJob({ timeoutMs: 20 })];
    await until("two ends", async () => (await states(db)).failed === 2);
    const [first, second] = await Promise.all(stuck.map(({ id }) => endings(db, id)));
    const starts = [first, second].map((all) => all![0]!.startedAt!.getTime()).toSorted();
    // The second began once the thread of the first had been given its time to heed, and was gone.
    expect(starts[1]! - starts[0]!).toBeGreaterThan(900);
    await until("both threads", () => worker.of("handler.terminated").length === 2);
  });
});

describe("a handler that heeds its signal", () => {
  const HEEDING = `
    if (payload !== "stuck") return { runs, reasons: globalThis.reasons };
    context.log("runs");
    await new Promise((_, reject) => context.signal.addEventListener("abort", () => {
      globalThis.reasons = [...(globalThis.reasons ?? []), String(context.signal.reason)];
      reject(context.signal.reason);
    }));`;

  test("hears the reason, and its thread is kept", async () => {
    const worker = await startThreadWorker(db, await threadHandlers({ heavy: HEEDING }), {
      handlerThreads: 1,
    });
    const late = await stuckJob({ timeoutMs: 100 });
    await reached(late.id, "failed");
    const cancelled = await stuckJob();
    await runs(cancelled.id);
    await cancelJob(db, cancelled.id);
    const [next] = await insertNew(db, 1, { kind: "heavy" });
    await reached(next!.id, "completed");
    const reasons = ["TimeoutError: the attempt took longer than its limit of 100 ms", "cancelled"];
    expect(JSON.parse((await endings(db, next!.id))[0]!.result!)).toEqual({ runs: 3, reasons });
    expect(worker.of("handler.terminated")).toEqual([]);
    expect(await endings(db, late.id)).toMatchObject([
      { error: { name: "TimeoutError", reason: "timed_out" } },
    ]);
  });

  test("is waited for at shutdown, within the grace", async () => {
    const handlers = await threadHandlers({
      heavy: `context.log("runs"); await Bun.sleep(300); return "done";`,
    });
    const worker = await startThreadWorker(db, handlers);
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    await runs(job!.id);
    await worker.stop();
    expect(await endings(db, job!.id)).toMatchObject([{ outcome: "completed", result: '"done"' }]);
  });
});

describe("a thread that dies by itself", () => {
  test.each([
    ["by process.exit", "process.exit(3);", "with exit code 3"],
    [
      "by what nobody catches",
      "setTimeout(() => { throw new RangeError('boom'); }); await never;",
      "RangeError: boom",
    ],
    ["by what nobody awaits", "Promise.reject('unheard'); await never;", "string: unheard"],
    ["by a text that is thrown", "setTimeout(() => { throw 'a text'; }); await never;", "string: a text"],
  ])("%s fails its job, which is tried again in another one", async (_, body, message) => {
    const handlers = await threadHandlers({
      heavy: `const never = new Promise(() => {}); if (context.attempt > 1) return runs; ${body}`,
      slow: "await Bun.sleep(500); return 'slept';",
    });
    const [slow] = await insertNew(db, 1, { kind: "slow", priority: 1 });
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    const worker = await startThreadWorker(db, handlers);
    await reached(job!.id, "completed");
    const [died, again] = await endings(db, job!.id);
    expect(died).toMatchObject({ outcome: "failed", error: { name: "ThreadError" } });
    expect(died!.error!.message).toContain(message);
    expect(again).toMatchObject({ outcome: "completed", result: "1" });
    await reached(slow!.id, "completed");
    expect(await outcomes(db, slow!.id)).toEqual(["completed"]);
    expect(worker.of("handler.terminated")).toEqual([]);
  });

  test("shows where the error was thrown", async () => {
    const handlers = await threadHandlers({
      heavy: "setTimeout(() => { throw new RangeError('boom'); }); await new Promise(() => {});",
    });
    const [job] = await insertNew(db, 1, { kind: "heavy", maxAttempts: 1 });
    await startThreadWorker(db, handlers);
    await reached(job!.id, "failed");
    const cause = (await endings(db, job!.id))[0]!.error!.cause!;
    expect(cause).toMatchObject({ name: "RangeError", message: "boom" });
    expect(cause.stack).toContain("heavy.ts:");
  });

  test("while nothing runs in it is told of, and the next job gets another one", async () => {
    const handlers = await threadHandlers({
      heavy: "setTimeout(() => { throw new Error('late'); }, 20); return runs;",
    });
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    const worker = await startThreadWorker(db, handlers, { handlerThreads: 1 });
    const { step, error } = await worker.heard("step.failed");
    expect(step).toBe("handler thread");
    expect(String(error)).toContain("Error: late");
    const [next] = await insertNew(db, 1, { kind: "heavy" });
    await reached(next!.id, "completed");
    for (const { id } of [job!, next!]) expect(await endings(db, id)).toMatchObject([{ result: "1" }]);
  });
});
