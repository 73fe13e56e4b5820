import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { FIRST_PAGE, pruneJobs } from "../../src/queue/prune.ts";
import { releaseJobs } from "../../src/queue/release.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, passTime, registered, take, working } from "../support/factory.ts";
import { blocks, clear, endings } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMITS = { maxLosses: 3, limit: 100 };

const tallies = async () =>
  (
    await db.sql`select outcome, sum(jobs)::int as jobs from jobsvc.tallies group by outcome having sum(jobs) <> 0`
  ).map(({ outcome, jobs }) => `${jobs} ${outcome}`);

/** All that has ended, however short the time since. */
const pruneAll = async () => {
  const retention = { completedHours: 0, cancelledHours: 0, failedHours: 0 };
  return (await pruneJobs(db, { retention, limit: 100, after: FIRST_PAGE })).jobs;
};

/** Pruning takes a job's history along, and with it what fences its attempts. */
describe("a pruned job does not come back", () => {
  test("by the ending of a worker that was still at it", async () => {
    const { worker, jobs } = await working(db, 1);
    await cancelJob(db, jobs[0]!.id);
    expect(await pruneAll()).toBe(0);
    expect(await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 }, [])).toEqual([]);
    expect(await pruneAll()).toBe(0);
    expect(await end(db, worker, jobs)).toEqual([]);
    expect(await pruneAll()).toBe(1);
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
    expect(await pruneAll()).toBe(1);
    expect(await end(db, zombie, jobs)).toEqual([]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await tallies()).toEqual([]);
  });

  test("because it stays while a lease still names it; it goes once that is gone", async () => {
    const { worker, jobs } = await working(db, 2);
    await end(db, worker, jobs.slice(0, 1), {}, []);
    expect(await pruneAll()).toBe(0);
    await end(db, worker, jobs.slice(1, 2));
    expect(await pruneAll()).toBe(2);
    expect(await tallies()).toEqual([]);
  });
});

describe("a job that is gone while a lease still names it does not come back", () => {
  const forget = (id: string) => db.sql`
    with gone as (delete from jobsvc.jobs where id = ${id}) delete from jobsvc.attempts where job_id = ${id}`;

  test("when the worker dies that still holds the jobs it was taken with", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs.slice(0, 1), {}, []);
    await forget(jobs[0]!.id);
    await end(db, worker, jobs.slice(1, 2), {}, []);
    await expire(db, worker);
    expect(await rescueJobs(db, LIMITS)).toEqual({ leases: 1, lost: 1, crashed: 0, failed: 0 });
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual([jobs[2]!.id]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
    expect(await tallies()).toEqual(["2 completed"]);
  });

  test("when that worker says goodbye", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs.slice(0, 1), {}, []);
    await forget(jobs[0]!.id);
    await end(db, worker, jobs.slice(1, 2), {}, []);
    expect(await releaseJobs(db, worker.id)).toEqual(new Map([["default", 1]]));
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual([jobs[2]!.id]);
    expect(await endings(db, jobs[0]!.id)).toEqual([]);
  });
});
