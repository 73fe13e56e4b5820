import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, newJob, registered, take, working } from "../support/factory.ts";
import { blocked, blocks, clear, endings, everything, outcomes, stateOf } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("retry", () => {
  test.each(["completed", "failed", "cancelled"] as const)(
    "lets a job that is %s run once more, at once",
    async (outcome) => {
      const { worker, jobs } = await working(db, 2, { queue: "default", priority: 2 });
      const { id } = jobs[0]!;
      await end(db, worker, jobs, { outcome });
      expect(await retryJob(db, id)).toBe("retried");
      expect(await stateOf(db, id)).toBe("available");
      const [waiting] = await blocks(db);
      expect(waiting).toMatchObject({
        queue: "default",
        kind: "ai_agent",
        priority: 2,
        attempt: 2,
        jobIds: [id],
      });
      expect((await endings(db, id))[0]).toMatchObject({ outcome, retryAt: waiting!.runAt });
      const again = await take(db, worker, 10);
      expect(again).toMatchObject([{ id, attempt: 2 }]);
      await end(db, worker, again);
      expect(await outcomes(db, id)).toEqual([outcome, "completed"]);
      expect(await stateOf(db, id)).toBe("completed");
    },
  );

  test("of a job that was left in its block when it was cancelled leaves it in one place", async () => {
    const [job, neighbour] = await insertNew(db, 2, { scheduledAt: new Date(Date.now() + 60_000) });
    await db.sql.begin(async (sql) => {
      await sql`select from jobsvc.ready for update`;
      expect(await cancelJob(db, job!.id)).toBe("cancelled");
    });
    expect(await retryJob(db, job!.id)).toBe("retried");
    expect((await blocks(db)).map(({ attempt, jobIds }) => ({ attempt, jobIds }))).toEqual([
      { attempt: 2, jobIds: [job!.id] },
      { attempt: 1, jobIds: [neighbour!.id] },
    ]);
  });

  test("can be asked for again when that has ended too", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await end(db, worker, jobs, { outcome: "failed", failures: 1 });
    for (let retry = 0; retry < 3; retry++) {
      expect(await retryJob(db, id)).toBe("retried");
      await end(db, worker, await take(db, worker, 1), { outcome: "failed" });
    }
    expect(await outcomes(db, id)).toEqual(["failed", "failed", "failed", "failed"]);
  });

  test("refuses a job that has not ended, and changes nothing", async () => {
    const [scheduled] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    const { worker, jobs } = await working(db, 2);
    await end(db, worker, [jobs[0]!], { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    const [available] = await insertNew(db, 1);
    const before = await everything(db);
    for (const { id } of [scheduled!, available!, ...jobs]) expect(await retryJob(db, id)).toBe("not_final");
    expect(await everything(db)).toEqual(before);
  });

  test("says so when there is no such job", async () => {
    expect(await retryJob(db, Bun.randomUUIDv7())).toBe("not_found");
  });

  test("is given once when two click at the same time", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 30; round++) {
      const { worker, jobs } = await working(db, 1);
      await end(db, worker, jobs, { outcome: "failed" });
      const answers = await Promise.all([retryJob(one, jobs[0]!.id), retryJob(other, jobs[0]!.id)]);
      expect(answers.toSorted()).toEqual(["not_final", "retried"]);
      expect(await blocks(db)).toHaveLength(1);
      await clear(db);
    }
  });

  test("waits for a click that is being committed, and then is one too many", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "failed" });
    await using first = session(db);
    await first.sql`begin`;
    expect(await retryJob(first, jobs[0]!.id)).toBe("retried");
    const second = retryJob(db, jobs[0]!.id);
    await blocked(db);
    await first.sql`commit`;
    expect(await second).toBe("not_final");
    expect(await blocks(db)).toHaveLength(1);
  });

  test("gives one more attempt to a job that has used up its own, and the rest to one that has not", async () => {
    const worker = await registered(db);
    const [usedUp, fresh] = [newJob({ maxAttempts: 2 }), newJob({ maxAttempts: 9 })];
    for (const changes of [usedUp, fresh]) {
      await insertNew(db, 1, changes);
      await end(db, worker, await take(db, worker, 1), { outcome: "failed", failures: 1, retryAfterMs: 0 });
      await end(db, worker, await take(db, worker, 1), { outcome: "failed", failures: 2 });
      await retryJob(db, changes.id);
      const [again] = await take(db, worker, 1);
      expect(again).toMatchObject({ id: changes.id, attempt: 3, failures: changes === usedUp ? 1 : 2 });
    }
  });

  test("forgives the workers that it has killed", async () => {
    const { worker, jobs } = await working(db, 1);
    await db.sql`update jobsvc.leases set losses = 2`;
    await expire(db, worker);
    expect(await rescueJobs(db, { maxLosses: 3, limit: 10 })).toMatchObject({ crashed: 1 });
    expect(await retryJob(db, jobs[0]!.id)).toBe("retried");
    expect(await blocks(db)).toMatchObject([{ attempt: 2, losses: 0 }]);
  });

  test("of a job that was cancelled while it ran does not revive the attempt that a worker still holds", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await cancelJob(db, id);
    expect(await retryJob(db, id)).toBe("retried");
    expect(await stateOf(db, id)).toBe("available");
    expect(await end(db, worker, jobs)).toEqual([]);
    expect(await take(db, worker, 1)).toMatchObject([{ id, attempt: 2 }]);
    expect(await outcomes(db, id)).toEqual(["cancelled"]);
  });
});
