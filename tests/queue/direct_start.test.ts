import { beforeEach, describe, expect, test } from "bun:test";
import type { NewJob } from "../../src/job/job.ts";
import type { WorkerIdentity } from "../../src/queue/beat.ts";
import { type FreeSlots, startedJobs } from "../../src/queue/direct_start.ts";
import { insertInto } from "../../src/queue/insert.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, newJob, registered, take } from "../support/factory.ts";
import { blocks, clear, ids, leases, states } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const many = (count: number, changes: Partial<NewJob> = {}) =>
  Array.from({ length: count }, () => newJob(changes));

const slotsOf = (worker: WorkerIdentity, changes: Partial<FreeSlots> = {}): FreeSlots => ({
  workerId: worker.id,
  queue: "default",
  slots: 10,
  kinds: worker.kinds,
  failLost: [],
  ...changes,
});

async function started(jobs: readonly NewJob[], free: FreeSlots) {
  return startedJobs(jobs, await insertInto(db, { jobs, free }));
}

describe("jobs that are inserted where slots are free", () => {
  test("are leased to their worker at once, exactly as a take would answer them", async () => {
    const worker = await registered(db);
    const metadata = { traceparent: "00-1-2-03", other: 1 };
    const jobs = [
      newJob({ payload: '{"n":1e400}', timeoutMs: 5_000, maxAttempts: 2, metadata }),
      newJob({ metadata: { traceparent: { not: ["a", "text"] } } }),
    ];
    const direct = await started(jobs, slotsOf(worker));
    expect(await leases(db)).toHaveLength(1);
    expect(await blocks(db)).toEqual([]);
    expect(await states(db)).toEqual({ running: 2 });
    expect(await end(db, worker, direct)).toEqual(ids(jobs));
    expect(await leases(db)).toEqual([]);

    const copies = jobs.map((job) => ({ ...job, id: Bun.randomUUIDv7() }));
    await insertInto(db, { jobs: copies });
    const taken = await take(db, worker, 10);
    const comparable = ({ id, leaseId, waitedMs, traceparent, ...rest }: (typeof taken)[number]) => ({
      ...rest,
      traceparent: traceparent?.replaceAll(" ", ""), // jsonb prints with spaces
    });
    expect(direct.map(comparable)).toEqual(taken.map(comparable));
  });

  test("wait in blocks beyond the free slots, the more urgent ones start", async () => {
    const worker = await registered(db);
    const jobs = [...many(3), ...many(2, { priority: 1 })];
    const direct = await started(jobs, slotsOf(worker, { slots: 3 }));
    expect(ids(direct).toSorted()).toEqual(ids([jobs[0]!, jobs[3]!, jobs[4]!]).toSorted());
    expect(await leases(db)).toHaveLength(2);
    expect((await blocks(db)).map(({ jobIds }) => jobIds)).toEqual([ids(jobs.slice(1, 3))]);
  });

  test.each([
    ["are not due yet", {}, { scheduledAt: new Date(Date.now() + 60_000) }],
    ["are of another queue", {}, { queue: "mail" }],
    ["are of a kind that is not run there", {}, { kind: "client_agent" }],
  ] as const)("wait when they %s", async (_, free, changes) => {
    const worker = await registered(db);
    const jobs = many(2, changes);
    expect(await started(jobs, slotsOf(worker, free))).toEqual([]);
    expect((await blocks(db)).map(({ jobIds }) => jobIds)).toEqual([ids(jobs)]);
    expect(await leases(db)).toEqual([]);
  });

  test("wait when their queue is paused, or the worker is taken for dead", async () => {
    const worker = await registered(db);
    await db.sql`insert into jobsvc.queues (name, paused_at) values ('default', now())`;
    expect(await started(many(1), slotsOf(worker))).toEqual([]);
    await db.sql`delete from jobsvc.queues`;
    await expire(db, worker);
    expect(await started(many(1), slotsOf(worker))).toEqual([]);
    expect(await states(db)).toEqual({ available: 2 });
  });

  test("are inserted and started once, however often the statement is repeated", async () => {
    const worker = await registered(db);
    const jobs = many(3);
    const free = slotsOf(worker, { slots: 2 });
    expect(await started(jobs, free)).toHaveLength(2);
    expect(await insertInto(db, { jobs, free })).toEqual([]);
    expect(await states(db)).toEqual({ running: 2, available: 1 });
  });

  test("leave a note in the lease when they must not run again", async () => {
    const worker = await registered(db);
    await started(many(1), slotsOf(worker, { failLost: ["ai_agent"] }));
    expect(await db.sql`select fail_lost from jobsvc.leases`).toEqual([{ fail_lost: true }] as never);
  });
});
