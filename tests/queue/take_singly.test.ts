import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { testDatabase } from "../support/database.ts";
import { expire, insertNew, newJob } from "../support/factory.ts";
import { clear, databaseNow, ids, leases } from "../support/facts.ts";
import { LIMIT_MS, pull, pullWorker } from "../support/pulling.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("take, job by job,", () => {
  test("gives each job a lease of its own, and answers them in the order in which they are due", async () => {
    const worker = await pullWorker(db);
    const jobs = [...(await insertNew(db, 3)), ...(await insertNew(db, 2, { priority: 1 }))];
    const taken = await pull(db, worker, 10);
    expect(ids(taken)).toEqual(ids([jobs[3]!, jobs[4]!, ...jobs.slice(0, 3)]));
    expect((await leases(db)).toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
      taken
        .map(({ leaseId, id }) => ({ id: leaseId, workerId: worker.id, attempt: 1, jobIds: [id] }))
        .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    );
  });

  test("sets a deadline by the job's own limit, or by the one for jobs that bring none", async () => {
    const worker = await pullWorker(db);
    await insertJobs(db, [newJob({ timeoutMs: 5_000 }), newJob()]);
    const now = (await databaseNow(db)).getTime();
    const taken = await pull(db, worker, 2);
    expect(taken.map(({ limitMs }) => limitMs)).toEqual([5_000, LIMIT_MS]);
    expect(taken.map(({ timeoutMs }) => timeoutMs)).toEqual([5_000, null]);
    for (const { deadlineAt, limitMs } of taken) {
      expect(deadlineAt.getTime() - limitMs).toBeGreaterThanOrEqual(now);
      expect(deadlineAt.getTime() - limitMs).toBeLessThan(now + 5_000);
    }
  });

  test("cuts a block, and leaves the rest of it for the next", async () => {
    const worker = await pullWorker(db);
    const jobs = await insertNew(db, 5);
    const taken = [
      ...(await pull(db, worker, 2)),
      ...(await pull(db, worker, 2)),
      ...(await pull(db, worker, 2)),
    ];
    expect(ids(taken)).toEqual(ids(jobs));
    expect(new Set(taken.map(({ leaseId }) => leaseId)).size).toBe(5);
  });

  test("gives every job to one taker, however many take at once", async () => {
    const workers = await Promise.all(Array.from({ length: 8 }, () => pullWorker(db)));
    for (let block = 0; block < 20; block++) await insertNew(db, 1 + (block % 5) * 5);
    const inserted = (await db.sql`select id from jobsvc.jobs`).map((row) => row.id as string);
    const taken: string[] = [];
    await Promise.all(
      workers.map(async (worker) => {
        for (;;) {
          const jobs = await pull(db, worker, 3, { blocks: 2 });
          taken.push(...ids(jobs));
          if (jobs.length === 0 && (await db.sql`select from jobsvc.ready`).length === 0) return;
        }
      }),
    );
    expect(taken.toSorted()).toEqual(inserted.toSorted());
  });

  test("gives a worker one job that was lost twice, and no other as long as it holds that", async () => {
    const worker = await pullWorker(db);
    await insertNew(db, 3);
    await db.sql`update jobsvc.ready set losses = 2`;
    const [ordinary] = await insertNew(db, 1);
    const taken = await pull(db, worker, 10);
    expect(taken.map(({ losses }) => losses).toSorted()).toEqual([0, 2]);
    expect(ids(taken)).toContain(ordinary!.id);
    expect(await pull(db, worker, 10)).toEqual([]);
    expect(await pull(db, await pullWorker(db), 10)).toHaveLength(1);
    await db.sql`delete from jobsvc.leases where worker_id = ${worker.id}`;
    expect(await pull(db, worker, 10)).toHaveLength(1);
  });

  test("heeds a pause, leaves out what was cancelled, and gives nothing to who is taken for dead", async () => {
    const worker = await pullWorker(db);
    const [cancelled, other] = await insertNew(db, 2);
    await cancelJob(db, cancelled!.id);
    await db.sql`insert into jobsvc.queues (name, paused_at) values ('default', now())`;
    expect(await pull(db, worker, 2)).toEqual([]);
    await db.sql`update jobsvc.queues set paused_at = null`;
    await expire(db, worker);
    expect(await pull(db, worker, 2)).toEqual([]);
    expect(ids(await pull(db, await pullWorker(db), 2))).toEqual([other!.id]);
  });
});
