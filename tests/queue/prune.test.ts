import { beforeEach, describe, expect, test } from "bun:test";
import type { Outcome } from "../../src/job/outcome.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { FIRST_PAGE, pruneJobs, type Retention } from "../../src/queue/prune.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, newJob, registered, take } from "../support/factory.ts";
import { blocked, blocks, clear, everything, ids, outcomes, stateOf } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const RETENTION: Retention = { completedHours: 24, cancelledHours: 48, failedHours: 168 };

const prune = (on: Parameters<typeof pruneJobs>[0] = db, limit = 1_000, after = FIRST_PAGE) =>
  pruneJobs(on, { retention: RETENTION, limit, after });

/** Ids carry their time of birth. */
const idOf = (hoursAgo: number) => Bun.randomUUIDv7("hex", Date.now() - hoursAgo * 3_600_000);

/** A job that was born long ago and ended so many hours ago. */
async function ended(outcome: Outcome, hoursAgo: number): Promise<string> {
  const [job] = await insertNew(db, 1, { id: idOf(1_000) });
  const worker = await registered(db);
  await end(db, worker, await take(db, worker, 1), { outcome });
  await db.sql`
    update jobsvc.attempts set finished_at = now() - ${hoursAgo} * interval '1 hour' where job_id = ${job!.id}`;
  return job!.id;
}

const left = async () =>
  (await db.sql`select id from jobsvc.jobs order by id`).map((row) => row.id as string);

describe("prune", () => {
  test.each([
    ["completed", RETENTION.completedHours],
    ["cancelled", RETENTION.cancelledHours],
    ["failed", RETENTION.failedHours],
  ] as const)(
    "deletes jobs that have been %s for longer than that is kept, with their history",
    async (outcome, hours) => {
      const old = await ended(outcome, hours + 0.01);
      const young = await ended(outcome, hours - 0.01);
      expect(await prune()).toEqual({ jobs: 1, next: null });
      expect(await left()).toEqual([young]);
      expect(await outcomes(db, old)).toEqual([]);
      expect(await outcomes(db, young)).toEqual([outcome]);
      expect(await prune()).toEqual({ jobs: 0, next: null });
    },
  );

  test("deletes every attempt of a job, not only the last", async () => {
    const id = await ended("failed", 1_000);
    await retryJob(db, id);
    const worker = await registered(db);
    await end(db, worker, await take(db, worker, 1));
    await db.sql`update jobsvc.attempts set finished_at = now() - interval '30 days'`;
    expect(await prune()).toMatchObject({ jobs: 1 });
    expect(await everything(db)).toMatchObject({ jobs: null, attempts: null });
  });

  test("counts from the end of a job, not from its birth", async () => {
    const id = await ended("completed", 1);
    expect(await prune()).toEqual({ jobs: 0, next: null });
    expect(await left()).toEqual([id]);
  });

  test("never deletes a job that waits or runs, however old", async () => {
    const worker = await registered(db);
    await insertNew(db, 1, { id: idOf(2_000) });
    await take(db, worker, 1);
    const [retryable] = await insertNew(db, 1, { id: idOf(2_000) });
    await end(db, worker, await take(db, worker, 1), {
      outcome: "failed",
      failures: 1,
      retryAfterMs: 60_000,
    });
    await insertNew(db, 1, { id: idOf(2_000) });
    await insertNew(db, 1, { id: idOf(2_000), scheduledAt: new Date(Date.now() + 60_000) });
    await db.sql`update jobsvc.attempts set finished_at = now() - interval '1 year'`;
    const before = await left();
    expect(await prune()).toEqual({ jobs: 0, next: null });
    expect(await left()).toEqual(before);
    expect(await stateOf(db, retryable!.id)).toBe("retryable");
  });

  test("goes through ever so many page by page, oldest first, and says where to go on", async () => {
    const jobs = Array.from({ length: 25 }, (_, n) => newJob({ id: idOf(2_000 - n) }));
    await insertJobs(db, jobs);
    const kept = ids([jobs[3]!, jobs[17]!]);
    await db.sql`
      insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      select id, 1, 'completed', now() - interval '30 days' from jobsvc.jobs where id <> all (${kept}::uuid[])`;
    const pages: number[] = [];
    for (let after: string | null = FIRST_PAGE; after !== null; ) {
      const page = await prune(db, 10, after);
      pages.push(page.jobs);
      after = page.next;
      if (pages.length === 1) expect(await left()).toEqual([kept[0]!, ...ids(jobs.slice(10))]);
    }
    expect(pages).toEqual([9, 9, 5]);
    expect(await left()).toEqual(kept);
  });

  test("looks at nothing that is too young to be deleted", async () => {
    const old = await ended("completed", 30);
    await insertNew(db, 1, { id: idOf(RETENTION.completedHours + 0.01) });
    await insertNew(db, 1, { id: idOf(RETENTION.completedHours - 0.01) });
    await insertNew(db, 3);
    const first = await prune(db, 2);
    expect(first).toEqual({ jobs: 1, next: expect.any(String) });
    expect(await prune(db, 2, first.next!)).toEqual({ jobs: 0, next: null });
    expect(await left()).not.toContain(old);
  });

  test("keeps a cancelled job while its place in ready has yet to be cleared", async () => {
    const [job] = await insertNew(db, 1, { id: idOf(1_000) });
    await db.sql`insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      values (${job!.id}, 1, 'cancelled', now() - interval '90 days')`;
    expect(await prune()).toMatchObject({ jobs: 0 });
    expect(await take(db, await registered(db), 10)).toEqual([]);
    expect(await blocks(db)).toEqual([]);
    expect(await prune()).toMatchObject({ jobs: 1 });
  });

  test("keeps a job that an operator retries at this moment", async () => {
    const id = await ended("failed", 1_000);
    await using operator = session(db);
    await operator.sql`begin`;
    expect(await retryJob(operator, id)).toBe("retried");
    expect(await prune()).toMatchObject({ jobs: 0 });
    await operator.sql`commit`;
    expect(await prune()).toMatchObject({ jobs: 0 });
    expect(await stateOf(db, id)).toBe("available");
  });

  test("makes a retry wait that comes while it deletes, and then there is nothing to retry", async () => {
    const id = await ended("failed", 1_000);
    await using pruner = session(db);
    await pruner.sql`begin`;
    expect(await prune(pruner)).toMatchObject({ jobs: 1 });
    const retried = retryJob(db, id);
    await blocked(db);
    await pruner.sql`commit`;
    expect(await retried).not.toBe("retried");
    expect(await blocks(db)).toEqual([]);
  });

  test("agrees with retries that come at the same time: a job is gone or runs again", async () => {
    await using pruner = session(db);
    await using operator = session(db);
    for (let round = 0; round < 50; round++) {
      const id = await ended("failed", 1_000);
      const retryFirst = round % 2 ? retryJob(operator, id) : undefined;
      const [pruned, retried] = await Promise.all([prune(pruner), retryFirst ?? retryJob(operator, id)]);
      expect([pruned.jobs, retried === "retried"]).toEqual(pruned.jobs === 1 ? [1, false] : [0, true]);
      expect(await stateOf(db, id)).toBe(retried === "retried" ? "available" : undefined);
      await clear(db);
    }
  });

  test("deletes each job once when two nodes do it at the same time", async () => {
    const jobs = Array.from({ length: 300 }, () => newJob({ id: idOf(1_000) }));
    await insertJobs(db, jobs);
    await db.sql`
      insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      select id, 1, 'completed', now() - interval '30 days' from jobsvc.jobs`;
    await using one = session(db);
    await using other = session(db);
    const pruned = await Promise.all([prune(one), prune(other), prune()]);
    expect(pruned.reduce((sum, page) => sum + page.jobs, 0)).toBe(300);
    expect(await left()).toEqual([]);
  });
});
