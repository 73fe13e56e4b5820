import { beforeEach, describe, expect, test } from "bun:test";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, passTime, registered, take, working } from "../support/factory.ts";
import {
  blocks,
  clear,
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

describe("an attempt ends once", () => {
  test("changes nothing when it is repeated, and answers nothing", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 60_000, failures: 1 });
    const before = await everything(db);
    expect(await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 60_000, failures: 1 })).toEqual([]);
    expect(await end(db, worker, jobs, { outcome: "completed" })).toEqual([]);
    expect(await everything(db)).toEqual(before);
  });

  test("changes nothing when it comes from a worker whose attempt was lost and runs again elsewhere", async () => {
    const { worker: zombie, jobs } = await working(db, 1);
    const [stale] = jobs;
    await expire(db, zombie);
    await rescueJobs(db, { maxLosses: 3, limit: 100 });
    await passTime(db, 1_000);
    const worker = await registered(db);
    const [current] = await take(db, worker, 1);
    expect(current).toMatchObject({ id: stale!.id, attempt: 2, losses: 1 });
    const before = await everything(db);
    expect(await end(db, zombie, [stale!], { result: '"late"' })).toEqual([]);
    expect(await end(db, zombie, [stale!], { outcome: "failed", retryAfterMs: 0, failures: 1 })).toEqual([]);
    expect(await everything(db)).toEqual(before);
    expect(await end(db, worker, [current!], { result: '"in time"' })).toEqual([stale!.id]);
    expect(await endings(db, stale!.id)).toMatchObject([
      { attempt: 1, outcome: "lost", workerId: zombie.id },
      { attempt: 2, outcome: "completed", workerId: worker.id, result: '"in time"' },
    ]);
  });

  test("ends the others when one of them comes too late", async () => {
    const { worker, jobs } = await working(db, 3);
    await db.sql`insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      values (${jobs[1]!.id}, 1, 'cancelled', now())`;
    expect(await end(db, worker, jobs)).toEqual(ids([jobs[0]!, jobs[2]!]));
    expect(await outcomes(db, jobs[1]!.id)).toEqual(["cancelled"]);
  });

  test("lets only those run again that were not too late, nor deleted", async () => {
    const { worker, jobs } = await working(db, 4);
    const [late, deleted, ...others] = jobs;
    await db.sql`insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      values (${late!.id}, 1, 'cancelled', now())`;
    await db.sql`delete from jobsvc.jobs where id = ${deleted!.id}`;
    const counted = await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
    expect(counted).toEqual(ids(others));
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([ids(others)]);
    expect(await outcomes(db, deleted!.id)).toEqual([]);
    expect(await leases(db)).toEqual([]);
  });

  test("ends each attempt once, without a deadlock, when two ends of the same ones meet in opposite order", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 20; round++) {
      const { worker, jobs } = await working(db, 200);
      const answers = await Promise.all([
        end(one, worker, jobs),
        end(other, worker, jobs.toReversed(), { outcome: "failed" }),
      ]);
      expect(answers.flat().toSorted()).toEqual(ids(jobs).toSorted());
    }
  });

  test("waits for nobody who holds its lease, and leaves that lease to them", async () => {
    const { worker, jobs } = await working(db, 1);
    await db.sql.begin(async (sql) => {
      await sql`select from jobsvc.leases for update`;
      expect(await end(db, worker, jobs)).toEqual(ids(jobs));
    });
    expect(await leases(db)).toHaveLength(1);
    expect(await stateOf(db, jobs[0]!.id)).toBe("completed");
  });

  test("counts the first ending when one call names an attempt twice", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    await end(db, worker, [job!, job!], { outcome: "failed", retryAfterMs: 0, failures: 1 });
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([[job!.id]]);
  });

  test("ends two attempts of one job in one call, should ever both be open", async () => {
    const { worker, jobs } = await working(db, 2);
    const [first, other] = jobs;
    const ended = await end(db, worker, [first!, { ...first!, attempt: 2 }, other!]);
    expect(ended).toEqual([first!.id, first!.id, other!.id]);
    expect(await outcomes(db, first!.id)).toEqual(["completed", "completed"]);
  });

  test("fails, and does not try for ever, when it is refused for another reason than an earlier ending", async () => {
    const { worker, jobs } = await working(db, 2);
    await insertNew(db, 1);
    await db.sql`select setval('jobsvc.ready_id_seq', (select max(id) from jobsvc.ready), false)`;
    const retried = end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 });
    expect(await retried.catch((error) => error)).toBeInstanceOf(Error);
    expect(await states(db)).toEqual({ running: 2, available: 1 });
  });
});
