import { beforeEach, describe, expect, test } from "bun:test";
import { beatHeld } from "../../src/queue/beat_held.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { endHeld, type HeldEnding, letGo } from "../../src/queue/end_held.ts";
import { readHeld } from "../../src/queue/held.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { expire, passTime, working } from "../support/factory.ts";
import { blocked, blocks, clear, endings, everything, leases, outcomes, stateOf } from "../support/facts.ts";
import { meeting } from "../support/meeting.ts";
import { heldOf, lookAt, PULL_TTL_MS, pulling } from "../support/pulling.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMITS = { maxLosses: 3, limit: 1_000 };
const COMPLETED: HeldEnding = {
  outcome: "completed",
  failures: 0,
  retryAfterMs: null,
  error: null,
  result: "1",
  usage: null,
};
const FAILED: HeldEnding = {
  outcome: "failed",
  failures: 1,
  retryAfterMs: 60_000,
  error: { name: "Error", message: "no" },
  result: null,
  usage: null,
};

/** One job in the hands of a worker over HTTP. */
async function one() {
  const { worker, jobs } = await pulling(db, 1);
  return { worker, job: jobs[0]! };
}

describe("a look at a held job", () => {
  test("tells where it stands and for how long", async () => {
    const { worker, job } = await one();
    await passTime(db, 4_000);
    const held = await lookAt(db, job);
    expect(held).toMatchObject({
      ...heldOf(job),
      workerId: worker.id,
      queue: "default",
      kind: "ai_agent",
      priority: 5,
      maxAttempts: 4,
      failures: 0,
      losses: 0,
      alone: true,
      beatDue: false,
      stale: null,
    });
    expect(held.ranMs).toBeWithin(4_000, 10_000);
  });

  test("finds nothing under another lease, job or attempt", async () => {
    const { job } = await one();
    const held = heldOf(job);
    expect(await readHeld(db, { ...held, leaseId: crypto.randomUUID() })).toBeUndefined();
    expect(await readHeld(db, { ...held, jobId: crypto.randomUUID() })).toBeUndefined();
    expect(await readHeld(db, { ...held, attempt: 2 })).toBeUndefined();
  });

  test.each([
    ["cancelled", "cancelled"],
    ["lost", "lost"],
    ["crashed", "lost"],
    ["timed out", "timed_out"],
    ["completed", "finished"],
    ["failed", "finished"],
  ] as const)("says of one that was %s that it is %s, also when its lease is gone", async (how, reason) => {
    const { worker, job } = await one();
    if (how === "cancelled") await cancelJob(db, job.id);
    if (how === "lost" || how === "crashed") {
      await expire(db, worker);
      await rescueJobs(db, { ...LIMITS, maxLosses: how === "lost" ? 3 : 1 });
    }
    const timedOut = { ...FAILED, error: { name: "TimeoutError", message: "", reason: "timed_out" } };
    if (how === "timed out") await endHeld(db, await lookAt(db, job), timedOut);
    if (how === "completed") await endHeld(db, await lookAt(db, job), COMPLETED);
    if (how === "failed") await endHeld(db, await lookAt(db, job), FAILED);
    expect(await lookAt(db, job)).toMatchObject({ stale: reason, queue: "default", kind: "ai_agent" });
    await db.sql`delete from jobsvc.leases`;
    expect(await lookAt(db, job)).toMatchObject({ stale: reason, queue: "default", kind: "ai_agent" });
  });

  test("finds nothing of a job that was deleted", async () => {
    const { job } = await one();
    await endHeld(db, await lookAt(db, job), COMPLETED);
    expect(await deleteJob(db, job.id)).toBe("deleted");
    expect(await readHeld(db, heldOf(job))).toBeUndefined();
  });
});

describe("the end of a held job", () => {
  test("is written with its worker, its times and its result, and the lease goes", async () => {
    const { worker, job } = await one();
    await passTime(db, 5_000);
    expect(await endHeld(db, await lookAt(db, job), { ...COMPLETED, result: '{"n": 1e400}' })).toBeNull();
    const [ending] = await endings(db, job.id);
    expect(ending).toMatchObject({ outcome: "completed", workerId: worker.id, result: '{"n": 1e400}' });
    expect(ending!.finishedAt.getTime() - ending!.startedAt!.getTime()).toBeWithin(5_000, 10_000);
    expect(await leases(db)).toEqual([]);
  });

  test("lets it run again when it says so", async () => {
    const { job } = await one();
    expect(await endHeld(db, await lookAt(db, job), FAILED)).toBeNull();
    expect(await blocks(db)).toMatchObject([{ attempt: 2, failures: 1, losses: 0, jobIds: [job.id] }]);
    expect(await stateOf(db, job.id)).toBe("retryable");
  });

  test("said twice is told to be finished, and changes nothing", async () => {
    const { job } = await one();
    const held = await lookAt(db, job);
    await endHeld(db, held, FAILED);
    const before = await everything(db);
    expect(await endHeld(db, held, FAILED)).toBe("finished");
    expect(await endHeld(db, held, COMPLETED)).toBe("finished");
    expect(await everything(db)).toEqual(before);
  });

  test("comes too late for a job that was lost and runs elsewhere", async () => {
    const { worker, job } = await one();
    const held = await lookAt(db, job);
    await expire(db, worker);
    await rescueJobs(db, LIMITS);
    const before = await everything(db);
    expect(await endHeld(db, held, COMPLETED)).toBe("lost");
    expect(await everything(db)).toEqual(before);
  });

  test("of a job that was deleted meanwhile is no end at all", async () => {
    const { job } = await one();
    const held = await lookAt(db, job);
    await endHeld(db, held, COMPLETED);
    await deleteJob(db, job.id);
    expect(await endHeld(db, held, COMPLETED)).toBeUndefined();
    expect(await db.sql`select from jobsvc.attempts`).toHaveLength(0);
  });

  test("leaves a lease that holds others too", async () => {
    const { jobs } = await working(db, 2);
    const [first, second] = jobs;
    const key = { leaseId: first!.leaseId, jobId: first!.id, attempt: 1 };
    const held = await readHeld(db, key);
    expect(held).toMatchObject({ alone: false, stale: null });
    expect(await endHeld(db, held!, COMPLETED)).toBeNull();
    expect(await leases(db)).toHaveLength(1);
    expect(await stateOf(db, second!.id)).toBe("running");
    await letGo(db, held!);
    expect(await leases(db)).toHaveLength(1);
  });

  test("meets a cancel: one of the two counts, and each is told the truth", async () => {
    await using ender = session(db);
    await using canceller = session(db);
    const seen = { completed: 0, cancelled: 0 };
    for (let round = 0; round < 60; round++) {
      const { job } = await one();
      const held = await lookAt(db, job);
      const [answer, stale] = await meeting(
        round,
        () => cancelJob(canceller, job.id),
        () => endHeld(ender, held, COMPLETED),
      );
      const state = stale === null ? "completed" : "cancelled";
      expect([answer, stale]).toEqual(
        state === "completed" ? ["already_final", null] : ["cancelled", "cancelled"],
      );
      expect(await outcomes(db, job.id)).toEqual([state]);
      seen[state]++;
    }
    expect(Math.min(seen.completed, seen.cancelled)).toBeGreaterThan(0);
  });

  test("meets a rescue: one of the two counts, and each is told the truth", async () => {
    await using ender = session(db);
    await using rescuer = session(db);
    const seen = { completed: 0, lost: 0 };
    for (let round = 0; round < 60; round++) {
      const { worker, job } = await one();
      const held = await lookAt(db, job);
      await expire(db, worker);
      const [rescued, stale] = await meeting(
        round,
        () => rescueJobs(rescuer, LIMITS),
        () => endHeld(ender, held, COMPLETED),
      );
      const state = stale === null ? "completed" : "lost";
      expect([rescued.lost, stale]).toEqual(state === "completed" ? [0, null] : [1, "lost"]);
      expect(await outcomes(db, job.id)).toEqual([state]);
      seen[state]++;
      await clear(db);
    }
    expect(Math.min(seen.completed, seen.lost)).toBeGreaterThan(0);
  });
});

describe("letting go", () => {
  test("takes away the lease of a cancelled job, so that it can be deleted", async () => {
    const { job } = await one();
    await cancelJob(db, job.id);
    expect(await deleteJob(db, job.id)).toBe("held");
    await letGo(db, await lookAt(db, job));
    expect(await leases(db)).toEqual([]);
    expect(await deleteJob(db, job.id)).toBe("deleted");
  });
});

describe("a beat", () => {
  test("keeps job and worker alive from now on, as long as the worker said", async () => {
    const { worker, job } = await one();
    await passTime(db, PULL_TTL_MS - 1_000);
    const until = await beatHeld(db, heldOf(job));
    const [row] = await db.sql`
      select expires_at, round(extract(epoch from expires_at - now())) as lives_s from jobsvc.workers
      where id = ${worker.id}`;
    expect(row).toMatchObject({ expires_at: until, lives_s: "30" });
    await passTime(db, PULL_TTL_MS - 1_000);
    await rescueJobs(db, LIMITS);
    expect(await lookAt(db, job)).toMatchObject({ stale: null });
  });

  test("of one job does not keep another one alive", async () => {
    const { worker, jobs } = await pulling(db, 2);
    const [beaten, silent] = jobs;
    await passTime(db, PULL_TTL_MS / 2);
    await beatHeld(db, heldOf(beaten!));
    await passTime(db, PULL_TTL_MS / 2);
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 1 });
    expect(await lookAt(db, silent!)).toMatchObject({ stale: "lost" });
    expect(await lookAt(db, beaten!)).toMatchObject({ stale: null, workerId: worker.id });
  });

  test("is not due again at once, but in good time", async () => {
    const { job } = await one();
    expect((await lookAt(db, job)).beatDue).toBe(false);
    await passTime(db, PULL_TTL_MS / 5);
    expect((await lookAt(db, job)).beatDue).toBe(true);
    await beatHeld(db, heldOf(job));
    expect((await lookAt(db, job)).beatDue).toBe(false);
  });

  test("comes too late for what was lost, and does not bring its worker back", async () => {
    const { worker, job } = await one();
    await expire(db, worker);
    await rescueJobs(db, LIMITS);
    const before = await everything(db);
    expect(await beatHeld(db, heldOf(job))).toBeUndefined();
    expect(await everything(db)).toEqual(before);
  });

  test("waits for another one, and counts as well", async () => {
    const { job } = await one();
    await using other = session(db);
    await other.sql`begin`;
    expect(await beatHeld(other, heldOf(job))).toBeDate();
    const beat = beatHeld(db, heldOf(job));
    await blocked(db);
    await other.sql`commit`;
    expect(await beat).toBeDate();
  });

  test("waits for whoever ends the job in this moment, so that it can be said how", async () => {
    const { job } = await one();
    await using other = session(db);
    await other.sql`begin`;
    expect(await endHeld(other, await lookAt(db, job), COMPLETED)).toBeNull();
    const beat = beatHeld(db, heldOf(job));
    await blocked(db);
    await other.sql`commit`;
    expect(await beat).toBeUndefined();
    expect(await lookAt(db, job)).toMatchObject({ stale: "finished" });
  });

  test("means nothing under another name, and for a job in a process of ours", async () => {
    const { job } = await one();
    const { jobs } = await working(db, 1);
    const before = await everything(db);
    const held = heldOf(job);
    expect(await beatHeld(db, { ...held, leaseId: crypto.randomUUID() })).toBeUndefined();
    expect(await beatHeld(db, { ...held, jobId: crypto.randomUUID() })).toBeUndefined();
    expect(await beatHeld(db, { ...held, attempt: 2 })).toBeUndefined();
    const [ofProcess] = jobs;
    const other = { leaseId: ofProcess!.leaseId, jobId: ofProcess!.id, attempt: 1 };
    expect(await beatHeld(db, other)).toBeUndefined();
    expect(await everything(db)).toEqual(before);
  });

  test("meets a rescue without a deadlock: alive or lost, and it is told", async () => {
    await using beater = session(db);
    await using rescuer = session(db);
    const seen = { alive: 0, lost: 0 };
    for (let round = 0; round < 60; round++) {
      const { worker, job } = await one();
      await expire(db, worker);
      const [{ lost }] = await meeting(
        round,
        () => rescueJobs(rescuer, LIMITS),
        () => beatHeld(beater, heldOf(job)),
      );
      const { stale } = await lookAt(db, job);
      expect(stale).toBe(lost === 1 ? "lost" : null);
      seen[lost === 1 ? "lost" : "alive"]++;
      await clear(db);
    }
    expect(Math.min(seen.alive, seen.lost)).toBeGreaterThan(0);
  });
});
