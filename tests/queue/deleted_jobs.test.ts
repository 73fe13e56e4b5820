import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { releaseJobs } from "../../src/queue/release.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, passTime, registered, TTL_MS, take, working } from "../support/factory.ts";
import { blocks, clear, endings, ids, leases } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMITS = { maxLosses: 3, limit: 100 };

const tallies = async () =>
  (
    await db.sql`select outcome, sum(jobs)::int as jobs from jobsvc.tallies group by outcome having sum(jobs) <> 0`
  ).map(({ outcome, jobs }) => `${jobs} ${outcome}`);

/** Deletion takes a job's history along, and with it what fences its attempts. */
describe("a deleted job does not come back", () => {
  test("by the ending of a worker that was still at it", async () => {
    const { worker, jobs } = await working(db, 1);
    await cancelJob(db, jobs[0]!.id);
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
    expect(await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 }, [])).toEqual([]);
    expect(await end(db, worker, jobs)).toEqual([]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await blocks(db)).toEqual([]);
    expect(await tallies()).toEqual([]);
  });

  test("by the ending of a worker that was taken for dead long ago", async () => {
    const { worker: zombie, jobs } = await working(db, 1);
    await expire(db, zombie);
    await rescueJobs(db, LIMITS);
    await passTime(db, 1_000);
    const worker = await registered(db);
    await end(db, worker, await take(db, worker, 1));
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
    expect(await end(db, zombie, jobs)).toEqual([]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await tallies()).toEqual([]);
  });

  test("when the worker dies that still holds the jobs it was taken with", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs.slice(0, 2), {}, []);
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
    await expire(db, worker);
    expect(await rescueJobs(db, LIMITS)).toEqual({ leases: 1, lost: 1, crashed: 0 });
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual([jobs[2]!.id]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await tallies()).toEqual(["1 completed"]);
  });

  test("when that worker says goodbye", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs.slice(0, 2), {}, []);
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
    expect(await releaseJobs(db, worker.id)).toEqual(new Map([["default", 1]]));
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual([jobs[2]!.id]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
  });

  test("by the place that it left in a block which somebody was taking when it was cancelled", async () => {
    const jobs = await insertNew(db, 1);
    await db.sql.begin(async (sql) => {
      await sql`select from jobsvc.ready for update`;
      await cancelJob(db, jobs[0]!.id);
    });
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
    const worker = await registered(db);
    expect(ids(await take(db, worker, 10))).toEqual([]);
    // A lease of nothing may be left; no process knows it, so it is disowned and goes.
    await passTime(db, TTL_MS + 1);
    await beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: [] });
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 0, crashed: 0 });
    expect(await leases(db)).toEqual([]);
    expect(await blocks(db)).toEqual([]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await tallies()).toEqual([]);
  });
});
