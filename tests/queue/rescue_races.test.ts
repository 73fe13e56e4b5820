import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, passTime, registered, TTL_MS, take, working } from "../support/factory.ts";
import { blocked, blocks, clear, ids, leases, outcomes, stateOf, states } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMITS = { maxLosses: 3, limit: 1_000 };

/** A worker that the others take for dead, and that is about to report what it did. */
async function slow(count: number) {
  const held = await working(db, count);
  await expire(db, held.worker);
  return held;
}

describe("rescue against a worker that is only slow", () => {
  test("changes nothing that was ended before", async () => {
    const { worker, jobs } = await slow(3);
    expect(await end(db, worker, jobs, {}, [])).toHaveLength(3);
    expect(await rescueJobs(db, LIMITS)).toEqual({ leases: 1, lost: 0, crashed: 0, failed: 0 });
    expect(await states(db)).toEqual({ completed: 3 });
    expect(await blocks(db)).toEqual([]);
    expect(await leases(db)).toEqual([]);
  });

  test("wins when it comes first, and the late ending counts for nothing", async () => {
    const { worker, jobs } = await slow(3);
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 3 });
    expect(await end(db, worker, jobs)).toEqual([]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
    expect(await blocks(db)).toHaveLength(3);
  });

  test("waits for an ending that is being committed, and then keeps it", async () => {
    const { worker, jobs } = await slow(3);
    await using ender = session(db);
    await ender.sql`begin`;
    expect(await end(ender, worker, jobs.slice(0, 2), {}, [])).toHaveLength(2);
    const rescued = rescueJobs(db, LIMITS);
    await blocked(db);
    await ender.sql`commit`;
    expect(await rescued).toEqual({ leases: 1, lost: 1, crashed: 0, failed: 0 });
    expect(await states(db)).toMatchObject({ completed: 2 });
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([[jobs[2]!.id]]);
  });

  test("takes the job back when that ending is never committed", async () => {
    const { worker, jobs } = await slow(1);
    await using ender = session(db);
    await ender.sql`begin`;
    await end(ender, worker, jobs);
    // Its lease is being deleted over there, so there is nothing to rescue yet, and nothing to wait for.
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ leases: 0 });
    await ender.sql`rollback`;
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ leases: 1, lost: 1 });
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
  });

  test("makes an ending wait that meets a rescue being committed, and then count for nothing", async () => {
    const { worker, jobs } = await slow(3);
    await using rescuer = session(db);
    await rescuer.sql`begin`;
    expect(await rescueJobs(rescuer, LIMITS)).toMatchObject({ lost: 3 });
    const ended = end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 });
    await blocked(db);
    await rescuer.sql`commit`;
    expect(await ended).toEqual([]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
    expect((await blocks(db)).map((block) => block.failures)).toEqual([0, 0, 0]);
  });

  test("agrees with it on every job, however the two meet", async () => {
    await using ender = session(db);
    await using rescuer = session(db);
    for (let round = 0; round < 50; round++) {
      const { worker, jobs } = await slow(20);
      const inParts = [jobs.slice(0, 7), jobs.slice(7, 14).toReversed(), jobs.slice(14)];
      const ending = (async () => {
        const ended = [];
        for (const part of inParts) ended.push(...(await end(ender, worker, part, {}, [])));
        return ended;
      })();
      const [ended, { lost }] = await Promise.all([ending, rescueJobs(rescuer, LIMITS)]);
      expect(ended.length + lost).toBe(20);
      const final = await Promise.all(ids(jobs).map((id) => outcomes(db, id)));
      expect(final).toEqual(ids(jobs).map((id) => [ended.includes(id) ? "completed" : "lost"]));
      expect(await blocks(db)).toHaveLength(lost);
      await clear(db);
    }
  });
});

describe("rescue meets", () => {
  test("a beat of the same worker: the worker is alive again, and learns which leases it has lost", async () => {
    const { worker, jobs } = await slow(2);
    const held = [jobs[0]!.leaseId];
    await using rescuer = session(db);
    await rescuer.sql`begin`;
    await rescueJobs(rescuer, LIMITS);
    const answer = beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: held, heldAttempts: [] });
    await blocked(db);
    await rescuer.sql`commit`;
    await answer;
    expect(
      await beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: held, heldAttempts: [] }),
    ).toMatchObject({
      lostLeases: held,
    });
    await passTime(db, 1_000);
    expect(await take(db, worker, 10)).toHaveLength(2);
  });

  test("a beat that disowns the leases of a worker taken for dead, without a deadlock", async () => {
    await using rescuer = session(db);
    await using beater = session(db);
    for (let round = 0; round < 50; round++) {
      const { worker } = await slow(3);
      await db.sql`update jobsvc.leases set leased_at = now() - interval '1 minute'`;
      await Promise.all([
        rescueJobs(rescuer, LIMITS),
        beat(beater, { worker, ttlMs: TTL_MS, draining: false, heldLeases: [], heldAttempts: [] }),
      ]);
      await rescueJobs(db, LIMITS);
      expect(await leases(db)).toEqual([]);
      await clear(db);
    }
  });

  test("a cancel: the job is cancelled or lost and cancelled, never run again", async () => {
    await using rescuer = session(db);
    for (let round = 0; round < 50; round++) {
      const { jobs } = await slow(2);
      const [cancelled, other] = jobs;
      const [answer] = await Promise.all([cancelJob(db, cancelled!.id), rescueJobs(rescuer, LIMITS)]);
      expect(answer).toBe("cancelled");
      expect(await stateOf(db, cancelled!.id)).toBe("cancelled");
      await passTime(db, 1_000);
      expect(ids(await take(db, await registered(db), 10))).toEqual([other!.id]);
      await clear(db);
    }
  });
});
