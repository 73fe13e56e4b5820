import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { jobReader } from "../../src/queue/read.ts";
import { releaseJobs } from "../../src/queue/release.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, newJob, passTime, registered, take, working } from "../support/factory.ts";
import { clear, databaseNow, ids } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();
const readJob = jobReader(db);

beforeEach(() => clear(db));

const read = async (id: string) => (await readJob(id))!;

describe("read", () => {
  test("answers what was asked, as it was asked", async () => {
    const job = newJob({
      priority: 3,
      payload: ' {"b": 1e400, "a" : "\\u0000"}',
      maxAttempts: 7,
      scheduledAt: new Date("2024-01-01T12:00:00.123Z"),
      timeoutMs: 1_500,
      tags: ["a b", 'quo"ted', ""],
      metadata: { nested: { n: [1, null, "x"] } },
    });
    const before = (await databaseNow(db)).getTime();
    await insertJobs(db, [job]);
    const { createdAt, runAt, ...record } = await read(job.id);
    expect(record).toMatchObject(job);
    expect(record).toMatchObject({ state: "available", attempts: [], result: null, finishedAt: null });
    expect(createdAt.getTime()).toBeWithin(before - 1, (await databaseNow(db)).getTime() + 1);
    expect(runAt).toEqual(createdAt);
  });

  test("answers nothing for a job that is not there, or not that user's", async () => {
    expect(await readJob(Bun.randomUUIDv7())).toBeUndefined();
    const [job] = await insertNew(db, 1);
    expect(await readJob(job!.id, crypto.randomUUID())).toBeUndefined();
    expect(await readJob(job!.id, job!.userId)).toMatchObject({ id: job!.id });
  });

  test("shows a scheduled job with its time, and then that it is due", async () => {
    const scheduledAt = new Date(Date.now() + 60_000);
    const [job] = await insertNew(db, 1, { scheduledAt });
    expect(await read(job!.id)).toMatchObject({ state: "scheduled", runAt: scheduledAt, scheduledAt });
    await passTime(db, 60_000);
    expect(await read(job!.id)).toMatchObject({ state: "available" });
  });

  test("shows the attempt that runs, since when and on which worker", async () => {
    const worker = await registered(db, { name: "host:1" });
    const [job] = await insertNew(db, 1);
    const before = (await databaseNow(db)).getTime();
    await take(db, worker, 1);
    const { state, attempts } = await read(job!.id);
    expect(state).toBe("running");
    expect(attempts).toEqual([
      {
        attempt: 1,
        outcome: null,
        workerId: worker.id,
        workerName: "host:1",
        startedAt: expect.any(Date),
        finishedAt: null,
        retryAt: null,
        error: null,
        usage: null,
      },
    ]);
    expect(attempts[0]!.startedAt!.getTime()).toBeWithin(before - 1, (await databaseNow(db)).getTime() + 1);
  });

  test("shows a completed job with its result, to the byte", async () => {
    const { worker, jobs } = await working(db, 1);
    const result = '{"n":1e400,  "n":2}';
    await end(db, worker, jobs, { result, ranMs: 250 });
    const record = await read(jobs[0]!.id);
    expect(record).toMatchObject({ state: "completed", result, runAt: null });
    const [attempt] = record.attempts;
    expect(attempt).toMatchObject({
      attempt: 1,
      outcome: "completed",
      workerId: worker.id,
      workerName: worker.name,
      error: null,
      retryAt: null,
    });
    expect(attempt!.finishedAt).toEqual(record.finishedAt);
    expect(attempt!.finishedAt!.getTime() - attempt!.startedAt!.getTime()).toBe(250);
  });

  test("shows every attempt of a job that failed again and again, and when it will be tried", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    const error = (message: string) => ({ name: "Error", message, stack: `${message}\n    at there` });
    await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0, error: error("first") });
    expect(await read(id)).toMatchObject({ state: "available" });
    const again = await take(db, worker, 1);
    await end(db, worker, again, {
      outcome: "failed",
      failures: 2,
      retryAfterMs: 60_000,
      error: error("second"),
    });
    const waiting = await read(id);
    expect(waiting).toMatchObject({ state: "retryable", finishedAt: null, result: null });
    expect(waiting.attempts).toMatchObject([
      { attempt: 1, outcome: "failed", error: error("first") },
      { attempt: 2, outcome: "failed", error: error("second"), retryAt: waiting.runAt },
    ]);
    await passTime(db, 60_000);
    await end(db, worker, await take(db, await registered(db, worker), 1), {
      outcome: "failed",
      error: error("third"),
    });
    const failed = await read(id);
    expect(failed).toMatchObject({ state: "failed", runAt: null });
    expect(failed.attempts).toMatchObject([
      {},
      {},
      { attempt: 3, outcome: "failed", retryAt: null, error: error("third") },
    ]);
    expect(failed.finishedAt).toEqual(failed.attempts[2]!.finishedAt);
  });

  test("shows a job that was lost and given back, and forgets the name of a worker that is gone", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await expire(db, worker);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    expect(await read(id)).toMatchObject({ state: "retryable" });
    await passTime(db, 1_000);
    const second = await registered(db);
    await take(db, second, 1);
    await releaseJobs(db, second.id);
    const record = await read(id);
    expect(record).toMatchObject({ state: "available" });
    expect(record.attempts).toMatchObject([
      { outcome: "lost", workerId: worker.id, workerName: null, error: { reason: "lost" } },
      { outcome: "released", workerId: second.id, workerName: null, error: null },
    ]);
  });

  test("shows a snoozed job as one that waits for its next attempt", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "snoozed", retryAfterMs: 60_000 });
    expect(await read(jobs[0]!.id)).toMatchObject({ state: "retryable", attempts: [{ outcome: "snoozed" }] });
  });

  test("shows a job as cancelled while its worker is still at it", async () => {
    const { worker, jobs } = await working(db, 1);
    await cancelJob(db, jobs[0]!.id);
    const record = await read(jobs[0]!.id);
    expect(record).toMatchObject({ state: "cancelled", runAt: null, finishedAt: expect.any(Date) });
    expect(record.attempts).toMatchObject([{ attempt: 1, outcome: "cancelled", workerId: worker.id }]);
  });

  test("shows a job that an operator retries with the attempts that it had, and the result of the last one", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await end(db, worker, jobs, { result: '"old"' });
    await retryJob(db, id);
    expect(await read(id)).toMatchObject({
      state: "available",
      finishedAt: null,
      attempts: [{ outcome: "completed" }],
    });
    const again = await take(db, worker, 1);
    expect(await read(id)).toMatchObject({
      state: "running",
      attempts: [{ attempt: 1 }, { attempt: 2, outcome: null }],
    });
    await end(db, worker, again, { result: '"new"' });
    expect(await read(id)).toMatchObject({ state: "completed", result: '"new"' });
  });
});

describe("reads that come together", () => {
  test("share a statement, and each gets its own job", async () => {
    let statements = 0;
    const readJob = jobReader({
      ...db,
      run(...args) {
        statements++;
        return db.run(...args);
      },
    });
    const { worker, jobs } = await working(db, 10);
    await end(db, worker, jobs.slice(0, 5), { result: '"done"' });
    const asked = jobs.toReversed();
    const others = crypto.randomUUID();
    const [found, loud, again, missing, theirs] = await Promise.all([
      Promise.all(asked.map(({ id }) => readJob(id))),
      readJob(jobs[0]!.id.toUpperCase()),
      readJob(jobs[0]!.id, jobs[0]!.userId),
      readJob(Bun.randomUUIDv7()),
      readJob(jobs[0]!.id, others),
    ]);
    expect(statements).toBe(1);
    expect(found.map((job) => job?.id)).toEqual(ids(asked));
    expect(found.map((job) => job?.result)).toEqual([...Array(5).fill(null), ...Array(5).fill('"done"')]);
    for (const job of [loud, again])
      expect(job).toMatchObject({ id: jobs[0]!.id, attempts: [{ attempt: 1 }] });
    expect([missing, theirs]).toEqual([undefined, undefined]);
  });

  test("see what was committed before they came, while others are being answered", async () => {
    const [job] = await insertNew(db, 1);
    const first = read(job!.id);
    await cancelJob(db, job!.id);
    expect(await read(job!.id)).toMatchObject({ state: "cancelled" });
    await first;
  });

  test("keep one plan, however many they are", async () => {
    await using planner = session(db);
    const readJob = jobReader(planner);
    const jobs = await insertNew(db, 16);
    for (const size of [1, 1, 1, 3, 1, 16, 1, 1, 10, 1, 1, 1])
      await Promise.all(jobs.slice(0, size).map(({ id }) => readJob(id)));
    const [plans] = await planner.sql`
      select generic_plans::int as kept, custom_plans::int as made from pg_prepared_statements
      where statement like '%jobsvc.job_states%' and statement not like '%pg_prepared_statements%'`;
    // Postgres tries five times what a plan of its own would be worth to a statement.
    expect(plans).toEqual({ kept: 7, made: 5 });
  });
});
