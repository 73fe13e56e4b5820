import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { type Rescue, rescueJobs } from "../../src/queue/rescue.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, passTime, registered, TTL_MS, take, working } from "../support/factory.ts";
import {
  blocks,
  clear,
  databaseNow,
  endings,
  everything,
  ids,
  leases,
  outcomes,
  stateOf,
  states,
} from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const rescue = (on = db as Parameters<typeof rescueJobs>[0], changes: Partial<Rescue> = {}) =>
  rescueJobs(on, { maxLosses: 3, limit: 1_000, ...changes });

const NOTHING = { leases: 0, lost: 0, crashed: 0, failed: 0 };

/** A worker that took new jobs and has not been heard of since. */
async function dead(count: number, changes = {}, taking = {}) {
  const held = await working(db, count, changes, taking);
  await expire(db, held.worker);
  return held;
}

describe("rescue", () => {
  test("lets the jobs of a dead worker run again, one block each, within the spread", async () => {
    const { worker, jobs } = await dead(20);
    const before = (await databaseNow(db)).getTime();
    expect(await rescue()).toEqual({ leases: 1, lost: 20, crashed: 0, failed: 0 });
    const after = (await databaseNow(db)).getTime();
    const waiting = await blocks(db);
    expect(waiting.flatMap((block) => block.jobIds).toSorted()).toEqual(ids(jobs));
    expect(new Set(waiting.map((block) => block.runAt.getTime())).size).toBeGreaterThan(5);
    for (const block of waiting) {
      expect(block).toMatchObject({
        queue: "default",
        kind: "ai_agent",
        priority: 5,
        attempt: 2,
        failures: 0,
        losses: 1,
      });
      expect(block.jobIds).toHaveLength(1);
      expect(block.runAt.getTime()).toBeWithin(before - 1, after + 1_001);
    }
    const [lost] = await endings(db, jobs[0]!.id);
    expect(lost).toMatchObject({
      attempt: 1,
      outcome: "lost",
      workerId: worker.id,
      error: { reason: "lost" },
    });
    expect(lost!.retryAt).toEqual(waiting.find((block) => block.jobIds[0] === jobs[0]!.id)!.runAt);
    expect(await leases(db)).toEqual([]);
    expect(Object.keys(await states(db))).not.toContain("running");
    await passTime(db, 1_000);
    expect(await take(db, await registered(db), 100)).toHaveLength(20);
  });

  test("finds the dead among the living, whatever their ids", async () => {
    const lost: string[] = [];
    for (const digit of "0123456789abcdef") {
      const worker = await registered(db, {
        id: "01234567-89ab-cdef-0123-456789abcdef".replace(/\w/g, digit),
      });
      const [job] = await insertNew(db, 1);
      await take(db, worker, 1);
      if (Number.parseInt(digit, 16) % 3 > 0) continue;
      await expire(db, worker);
      lost.push(job!.id);
    }
    expect(await rescue()).toMatchObject({ lost: lost.length });
    expect((await blocks(db)).flatMap((block) => block.jobIds).toSorted()).toEqual(lost.toSorted());
  });

  test("leaves the jobs of living workers alone, and finds nothing to do twice", async () => {
    const { jobs } = await dead(2);
    const { jobs: held } = await working(db, 2);
    expect(await rescue()).toMatchObject({ leases: 1, lost: 2 });
    expect(await rescue()).toEqual(NOTHING);
    expect(await Promise.all(held.map((job) => stateOf(db, job.id)))).toEqual(["running", "running"]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
  });

  test("keeps the endings of jobs that did end before their worker died", async () => {
    const { worker, jobs } = await working(db, 5);
    const [completed, failed, retried, cancelled, lost] = jobs;
    const endOne = (job: typeof completed, changes: Parameters<typeof end>[3]) =>
      end(db, worker, [job!], changes, []);
    await endOne(completed, { result: '"done"' });
    await endOne(failed, { outcome: "failed", failures: 1 });
    await endOne(retried, { outcome: "failed", failures: 1, retryAfterMs: 3_600_000 });
    await endOne(cancelled, { outcome: "cancelled" });
    await expire(db, worker);
    expect(await rescue()).toEqual({ leases: 1, lost: 1, crashed: 0, failed: 0 });
    expect(await Promise.all(jobs.map((job) => outcomes(db, job.id)))).toEqual([
      ["completed"],
      ["failed"],
      ["failed"],
      ["cancelled"],
      ["lost"],
    ]);
    expect((await blocks(db)).map((block) => block.jobIds[0])).toEqual([lost!.id, retried!.id]);
    expect(await leases(db)).toEqual([]);
  });

  test("forgets a dead worker with the last of its leases, not before", async () => {
    const { worker } = await dead(2);
    await insertNew(db, 1);
    await registered(db, worker);
    await take(db, worker, 1);
    await expire(db, worker);
    const living = await registered(db);
    const known = async () => (await db.sql`select id from jobsvc.workers`).map((row) => row.id).toSorted();
    expect(await rescue(db, { limit: 1 })).toMatchObject({ leases: 1 });
    expect(await known()).toEqual([worker.id, living.id].toSorted());
    expect(await rescue(db, { limit: 1 })).toMatchObject({ leases: 1 });
    expect(await known()).toEqual([living.id]);
  });

  test("forgets a dead worker that held nothing", async () => {
    await expire(db, await registered(db));
    expect(await rescue()).toEqual(NOTHING);
    expect(await everything(db)).toMatchObject({ workers: null });
  });

  test("rescues what a living worker has disowned", async () => {
    const { worker, jobs } = await working(db, 3);
    await db.sql`update jobsvc.leases set leased_at = leased_at - interval '1 minute'`;
    await beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: [], heldAttempts: [] });
    expect(await rescue()).toEqual({ leases: 1, lost: 3, crashed: 0, failed: 0 });
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
    expect(await everything(db)).toMatchObject({ workers: [{ id: worker.id }] });
  });

  test("rescues the lease of a worker that nobody has registered", async () => {
    await working(db, 3);
    await db.sql`delete from jobsvc.workers`;
    expect(await rescue()).toEqual({ leases: 1, lost: 3, crashed: 0, failed: 0 });
  });

  test("does not count a loss against the attempts that a job may fail", async () => {
    const { jobs } = await dead(1, { maxAttempts: 1 });
    const [job] = jobs;
    await rescue();
    await passTime(db, 1_000);
    const [again] = await take(db, await registered(db), 1);
    expect(again).toMatchObject({ id: job!.id, attempt: 2, failures: 0, losses: 1, maxAttempts: 1 });
  });

  test("ends a job that has been lost too often as crashed, and says how often", async () => {
    const { jobs } = await dead(1);
    const [job] = jobs;
    await db.sql`update jobsvc.leases set losses = 4, failures = 2`;
    expect(await rescue(db, { maxLosses: 6 })).toEqual({ leases: 1, lost: 1, crashed: 0, failed: 0 });
    expect(await blocks(db)).toMatchObject([{ losses: 5, failures: 2 }]);
    await passTime(db, 1_000);
    const worker = await registered(db);
    await take(db, worker, 1);
    await expire(db, worker);
    expect(await rescue(db, { maxLosses: 6 })).toEqual({ leases: 1, lost: 0, crashed: 1, failed: 0 });
    const last = (await endings(db, job!.id)).at(-1)!;
    expect(last).toMatchObject({
      attempt: 2,
      outcome: "failed",
      retryAt: null,
      error: { reason: "crashed" },
    });
    expect(last.error!.message).toContain("6 times");
    expect(await stateOf(db, job!.id)).toBe("failed");
    expect(await blocks(db)).toEqual([]);
  });

  test("ends jobs that must not be done twice, says why, and lets an operator have them run again", async () => {
    const { worker, jobs } = await dead(3, {}, { failLost: ["video", "ai_agent"] });
    const [completed, lost] = jobs;
    await end(db, worker, [completed!], {}, []);
    expect(await rescue()).toEqual({ leases: 1, lost: 0, crashed: 0, failed: 2 });
    expect(await outcomes(db, completed!.id)).toEqual(["completed"]);
    const [last] = await endings(db, lost!.id);
    expect(last).toMatchObject({
      attempt: 1,
      outcome: "failed",
      workerId: worker.id,
      retryAt: null,
      error: { name: "LostError", reason: "lost" },
    });
    expect(last!.error!.message).toContain("not run twice");
    expect(await stateOf(db, lost!.id)).toBe("failed");
    expect(await blocks(db)).toEqual([]);
    expect(await leases(db)).toEqual([]);
    expect(await retryJob(db, lost!.id)).toBe("retried");
    expect(await stateOf(db, lost!.id)).toBe("available");
  });

  test("tells the kinds of one worker apart, and says lost, not crashed, of the one that must not run twice", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "video"] });
    const [video] = await insertNew(db, 1, { kind: "video" });
    const [other] = await insertNew(db, 1);
    await take(db, worker, 2, { failLost: ["video"] });
    await db.sql`update jobsvc.leases set losses = 2 where kind = 'video'`;
    await expire(db, worker);
    expect(await rescue()).toEqual({ leases: 2, lost: 1, crashed: 0, failed: 1 });
    expect((await endings(db, video!.id)).map(({ error }) => error!.reason)).toEqual(["lost"]);
    expect(await outcomes(db, other!.id)).toEqual(["lost"]);
  });

  test("goes through ten thousand leases page by page", async () => {
    await insertNew(db, 10_000);
    await db.sql`
      insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, job_ids)
      select gen_random_uuid(), queue, kind, priority, 1, array[id] from jobsvc.jobs`;
    await db.sql`truncate jobsvc.ready`;
    const pages: number[] = [];
    for (;;) {
      const { leases, lost } = await rescue();
      expect(lost).toBe(leases);
      pages.push(leases);
      if (leases < 1_000) break;
    }
    expect(pages).toEqual([...Array(10).fill(1_000), 0]);
    expect(await leases(db)).toEqual([]);
    expect(new Set((await blocks(db)).map((block) => block.jobIds.join())).size).toBe(10_000);
  });

  test("rescues each job once when two nodes do it at the same time", async () => {
    for (let worker = 0; worker < 50; worker++) await dead(4);
    await using one = session(db);
    await using other = session(db);
    const rescued = (
      await Promise.all([rescue(one, { limit: 30 }), rescue(other, { limit: 30 }), rescue()])
    ).map(({ lost }) => lost);
    const rest = await rescue();
    expect(rescued.reduce((a, b) => a + b) + rest.lost).toBe(200);
    const waiting = (await blocks(db)).flatMap((block) => block.jobIds);
    expect(waiting).toHaveLength(200);
    expect(new Set(waiting).size).toBe(200);
  });

  test("passes by what another node is rescuing at this moment, without waiting", async () => {
    await dead(3);
    await using other = session(db);
    await other.sql`begin`;
    expect(await rescue(other)).toMatchObject({ lost: 3 });
    expect(await rescue()).toEqual(NOTHING);
    await other.sql`rollback`;
    expect(await rescue()).toMatchObject({ lost: 3 });
  });
});
