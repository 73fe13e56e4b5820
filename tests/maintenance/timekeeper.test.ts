import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import type { RetryOf } from "../../src/job/retry.ts";
import { timekeeper } from "../../src/maintenance/timekeeper.ts";
import { beatHeld } from "../../src/queue/beat_held.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { endHeld } from "../../src/queue/end_held.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { passTime, working } from "../support/factory.ts";
import { blocks, clear, endings, leases, outcomes, stateOf, states } from "../support/facts.ts";
import { meeting } from "../support/meeting.ts";
import { heldOf, LIMIT_MS, lookAt, pulling } from "../support/pulling.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

function newTimekeeper(retryOf: RetryOf = () => undefined, on: Database = db) {
  const events = recorder();
  return { ...events, ...timekeeper({ db: on, emit: events.emit, retryOf }) };
}

/** Held by a worker over HTTP, and past its deadline although it is still alive. */
async function overdue(count: number, changes = {}) {
  const held = await pulling(db, count, changes);
  await passTime(db, LIMIT_MS + 1);
  for (const job of held.jobs) await beatHeld(db, heldOf(job));
  return held;
}

describe("the timekeeper", () => {
  test("ends what is overdue as failed, says why, and lets it run again by the curve", async () => {
    const { worker, jobs } = await overdue(1);
    const keeper = newTimekeeper();
    await keeper.runOnce();
    const [job] = jobs;
    const [ending] = await endings(db, job!.id);
    expect(ending).toMatchObject({ attempt: 1, outcome: "failed", workerId: worker.id });
    expect(ending!.error).toEqual({
      name: "TimeoutError",
      message: `the attempt took longer than its limit of ${LIMIT_MS} ms`,
      reason: "timed_out",
    });
    expect(ending!.retryAt!.getTime() - ending!.finishedAt.getTime()).toBeWithin(900, 1_101);
    expect(ending!.finishedAt.getTime() - ending!.startedAt!.getTime()).toBeGreaterThan(LIMIT_MS);
    expect(await blocks(db)).toMatchObject([{ attempt: 2, failures: 1, losses: 0, jobIds: [job!.id] }]);
    expect(await leases(db)).toEqual([]);
    expect(await lookAt(db, job!)).toMatchObject({ stale: "timed_out" });
    expect(keeper.of("job.timed_out")).toEqual([
      {
        job_id: job!.id,
        kind: "ai_agent",
        queue: "default",
        attempt: 1,
        worker_id: worker.id,
        ms: expect.any(Number),
        retry_in_ms: expect.any(Number),
      },
    ]);
  });

  test("obeys what the kind says of its retries, where it is known here", async () => {
    const { jobs } = await overdue(1);
    const asked: unknown[] = [];
    const keeper = newTimekeeper(() => (failures, error) => {
      asked.push(failures, (error as Error).name);
      return 60_000;
    });
    await keeper.runOnce();
    const [ending] = await endings(db, jobs[0]!.id);
    expect(ending!.retryAt!.getTime() - ending!.finishedAt.getTime()).toBe(60_000);
    expect(asked).toEqual([1, "TimeoutError"]);
  });

  test("falls back to the curve when that function is of no use, and tells so", async () => {
    const { jobs } = await overdue(1);
    const keeper = newTimekeeper(() => () => {
      throw new Error("no idea");
    });
    await keeper.runOnce();
    expect(await stateOf(db, jobs[0]!.id)).toBe("retryable");
    expect(keeper.of("handler.retry_failed")).toHaveLength(1);
  });

  test("ends a job for good that has used up its tries", async () => {
    await overdue(1, { maxAttempts: 1 });
    const keeper = newTimekeeper();
    await keeper.runOnce();
    expect(await states(db)).toEqual({ failed: 1 });
    expect(await blocks(db)).toEqual([]);
    expect(keeper.of("job.timed_out")[0]).not.toHaveProperty("retry_in_ms");
  });

  test("ends all there is, however many statements that takes", async () => {
    await overdue(250, { maxAttempts: 1 });
    await overdue(200, { maxAttempts: 1 });
    await newTimekeeper().runOnce();
    expect(await states(db)).toEqual({ failed: 450 });
    expect(await leases(db)).toEqual([]);
  });

  test("takes away what is left of a job that was cancelled and never let go", async () => {
    const { jobs } = await pulling(db, 1);
    await cancelJob(db, jobs[0]!.id);
    await passTime(db, LIMIT_MS + 1);
    const keeper = newTimekeeper();
    await keeper.runOnce();
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["cancelled"]);
    expect(await leases(db)).toEqual([]);
    expect(keeper.of("job.timed_out")).toEqual([]);
  });

  test("leaves alone what is in time, and what a process of ours runs", async () => {
    await working(db, 1, { timeoutMs: 1_000 });
    await passTime(db, 10_000);
    await pulling(db, 1);
    await newTimekeeper().runOnce();
    expect(await states(db)).toEqual({ running: 2 });
  });

  test("meets the end of the attempt: one of the two counts, and each is told the truth", async () => {
    await using keeping = session(db);
    await using ender = session(db);
    const seen = { completed: 0, failed: 0 };
    for (let round = 0; round < 40; round++) {
      const { jobs } = await overdue(1, { maxAttempts: 1 });
      const held = await lookAt(db, jobs[0]!);
      const keeper = newTimekeeper(undefined, keeping);
      const completed = { outcome: "completed", failures: 0, retryAfterMs: null } as const;
      const [, stale] = await meeting(
        round,
        () => keeper.runOnce(),
        () => endHeld(ender, held, { ...completed, error: null, result: null, usage: null }),
      );
      const outcome = stale === null ? "completed" : "failed";
      expect(stale).toBe(outcome === "completed" ? null : "timed_out");
      expect(await outcomes(db, jobs[0]!.id)).toEqual([outcome]);
      expect(keeper.of("job.timed_out")).toHaveLength(outcome === "failed" ? 1 : 0);
      seen[outcome]++;
      await clear(db);
    }
    expect(Math.min(seen.completed, seen.failed)).toBeGreaterThan(0);
  });

  test("is safe on two nodes at once", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 20; round++) {
      await overdue(20);
      await overdue(20);
      await Promise.all([newTimekeeper(undefined, one).runOnce(), newTimekeeper(undefined, other).runOnce()]);
      const waiting = (await blocks(db)).flatMap(({ jobIds }) => jobIds);
      expect(waiting).toHaveLength(40);
      expect(new Set(waiting).size).toBe(40);
      expect(await leases(db)).toEqual([]);
      await clear(db);
    }
  });

  test("comes round every second", () => {
    expect(newTimekeeper().everyMs).toBe(1_000);
  });
});
