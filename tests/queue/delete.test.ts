import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob, deleteJobs } from "../../src/queue/delete.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, newJob, registered, take, working } from "../support/factory.ts";
import {
  blocked,
  blocks,
  clear,
  endings,
  everything,
  ids,
  leases,
  stateOf,
  states,
} from "../support/facts.ts";
import { linesOf, tell } from "../support/lines.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** By outcome; what adds up to nothing is left out. */
async function tallies(): Promise<Record<string, number>> {
  const rows = await db.sql<{ outcome: string; jobs: number }[]>`
    select outcome, sum(jobs)::int as jobs from jobsvc.tallies group by outcome having sum(jobs) <> 0`;
  return Object.fromEntries(rows.map(({ outcome, jobs }) => [outcome, jobs]));
}

/** No row of any table speaks of it. */
async function gone(id: string) {
  expect(JSON.stringify(await everything(db))).not.toContain(id);
  expect(await linesOf(db, id)).toEqual([]);
}

describe("delete", () => {
  test.each(["completed", "failed", "cancelled"] as const)(
    "of a job that is %s leaves nothing of it, and its neighbours alone",
    async (outcome) => {
      const { worker, jobs } = await working(db, 2);
      const [first, second] = jobs;
      await tell(db, first!, 1, 3);
      await tell(db, second!, 1, 2);
      await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 });
      await end(db, worker, await take(db, worker, 2), { outcome });
      expect(await deleteJob(db, first!.id)).toBe("deleted");
      await gone(first!.id);
      expect(await states(db)).toEqual({ [outcome]: 1 });
      expect(await endings(db, second!.id)).toHaveLength(2);
      expect(await linesOf(db, second!.id)).toHaveLength(2);
      expect(await tallies()).toEqual({ [outcome]: 1 });
      expect(await deleteJob(db, first!.id)).toBe("not_found");
    },
  );

  test("of a job that was cancelled while it waited, in a block of many", async () => {
    const [first, ...rest] = ids(await insertNew(db, 3));
    await cancelJob(db, first!);
    expect(await deleteJob(db, first!)).toBe("deleted");
    await gone(first!);
    expect(await blocks(db)).toMatchObject([{ jobIds: rest }]);
    expect(await tallies()).toEqual({});
  });

  test("refuses a job that waits or runs, and changes nothing", async () => {
    const { worker, jobs } = await working(db, 2);
    await end(db, worker, [jobs[0]!], { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    const [scheduled] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    const [available] = await insertNew(db, 1);
    const before = await everything(db);
    for (const { id } of [...jobs, scheduled!, available!]) expect(await deleteJob(db, id)).toBe("not_final");
    expect(await everything(db)).toEqual(before);
  });

  test("says so when there is no such job, or it is somebody else's", async () => {
    expect(await deleteJob(db, Bun.randomUUIDv7())).toBe("not_found");
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs);
    expect(await deleteJob(db, jobs[0]!.id, crypto.randomUUID())).toBe("not_found");
    expect(await deleteJob(db, jobs[0]!.id, newJob().userId)).toBe("deleted");
  });

  test("of many does each by itself", async () => {
    const { worker, jobs } = await working(db, 40);
    await end(db, worker, jobs.slice(0, 10), {}, []);
    await end(db, worker, jobs.slice(10, 20), { outcome: "failed" }, []);
    const waiting = await insertNew(db, 10);
    const nowhere = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
    const answers = await deleteJobs(db, [...ids(jobs), ...ids(waiting), ...nowhere].toReversed());
    for (const [place, { id }] of jobs.entries())
      expect(answers.get(id)).toBe(place < 20 ? "deleted" : "not_final");
    for (const { id } of waiting) expect(answers.get(id)).toBe("not_final");
    for (const id of nowhere) expect(answers.has(id)).toBe(false);
    expect(await states(db)).toEqual({ running: 20, available: 10 });
    expect(await tallies()).toEqual({});
  });
});

describe("a job that is still named by a lease", () => {
  test("goes when it has ended; a rescue of its neighbours does not bring it back", async () => {
    const { worker, jobs } = await working(db, 3);
    const [done, failed, running] = jobs;
    await end(db, worker, [done!], {}, []);
    await end(db, worker, [failed!], { outcome: "failed" }, []);
    expect(await deleteJobs(db, ids([done!, failed!]))).toEqual(
      new Map([
        [done!.id, "deleted"],
        [failed!.id, "deleted"],
      ]),
    );
    expect(await leases(db)).toMatchObject([{ jobIds: [running!.id] }]);
    await expire(db, worker);
    expect(await rescueJobs(db, { maxLosses: 3, limit: 10 })).toMatchObject({ lost: 1, crashed: 0 });
    await gone(done!.id);
    await gone(failed!.id);
    expect(await tallies()).toEqual({});
  });

  test("stays while its worker may not know that it was cancelled, and goes when that has let go", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await cancelJob(db, id);
    const before = await everything(db);
    expect(await deleteJob(db, id)).toBe("held");
    expect(await everything(db)).toEqual(before);
    expect(await end(db, worker, jobs, { result: "1" })).toEqual([]);
    expect(await deleteJob(db, id)).toBe("deleted");
    await gone(id);
    expect(await tallies()).toEqual({});
  });

  test("goes when a worker that did not notice its cancel has been given up", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await cancelJob(db, id);
    await expire(db, worker);
    expect(await deleteJob(db, id)).toBe("held");
    expect(await rescueJobs(db, { maxLosses: 3, limit: 10 })).toMatchObject({ leases: 1, lost: 0 });
    expect(await deleteJob(db, id)).toBe("deleted");
    await gone(id);
  });

  test("stays for the sake of an earlier attempt, too", async () => {
    const { worker, jobs } = await working(db, 1);
    const { id } = jobs[0]!;
    await cancelJob(db, id);
    await retryJob(db, id);
    const other = await registered(db);
    await end(db, other, await take(db, other, 1));
    expect(await stateOf(db, id)).toBe("completed");
    expect(await deleteJob(db, id)).toBe("held");
    await end(db, worker, jobs);
    expect(await deleteJob(db, id)).toBe("deleted");
    expect(await tallies()).toEqual({});
  });

  test("goes, and its successor is not touched, when the lease of an earlier attempt is there for others", async () => {
    const { worker, jobs } = await working(db, 2);
    const [again, neighbour] = jobs;
    await end(db, worker, [again!], { outcome: "snoozed", retryAfterMs: 0 }, []);
    await end(db, worker, await take(db, worker, 1));
    expect(await deleteJob(db, again!.id)).toBe("deleted");
    await expire(db, worker);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    await gone(again!.id);
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual([neighbour!.id]);
  });

  test("stays while somebody is at work on the lease", async () => {
    const { worker, jobs } = await working(db, 2);
    await end(db, worker, [jobs[0]!], {}, []);
    await using other = session(db);
    await other.sql`begin`;
    await other.sql`select from jobsvc.leases for update`;
    expect(await deleteJob(db, jobs[0]!.id)).toBe("held");
    await other.sql`commit`;
    expect(await deleteJob(db, jobs[0]!.id)).toBe("deleted");
  });
});

describe("a cancelled job that was left in its block", () => {
  test("stays while the block is being taken, and goes after that", async () => {
    const worker = await registered(db);
    const [id] = ids(await insertNew(db, 1));
    await using taker = session(db);
    await taker.sql`begin`;
    await take(taker, worker, 1);
    expect(await cancelJob(db, id!)).toBe("cancelled");
    expect(await deleteJob(db, id!)).toBe("held");
    await taker.sql`rollback`;
    expect(await deleteJob(db, id!)).toBe("deleted");
    await gone(id!);
    expect(await take(db, worker, 1)).toEqual([]);
  });
});

describe("delete meets", () => {
  test("a retry: one of the two is done, and the other is told", async () => {
    await using deleter = session(db);
    await using retrier = session(db);
    const seen = { deleted: 0, not_final: 0, held: 0, not_found: 0 };
    for (let round = 0; round < 100; round++) {
      const { worker, jobs } = await working(db, 1);
      const { id } = jobs[0]!;
      await end(db, worker, jobs, { outcome: "failed" });
      const retrying = round % 2 ? retryJob(retrier, id) : undefined;
      const [deleted, retried] = await Promise.all([
        deleteJob(deleter, id),
        retrying ?? retryJob(retrier, id),
      ]);
      seen[deleted]++;
      if (deleted === "deleted") {
        expect(retried).not.toBe("retried");
        await gone(id);
        expect(await blocks(db)).toEqual([]);
      } else {
        expect([deleted, retried]).toEqual(["not_final", "retried"]);
        expect(await stateOf(db, id)).toBe("available");
        expect(await take(db, worker, 1)).toMatchObject([{ id, attempt: 2 }]);
      }
      expect(await tallies()).toEqual({});
      await clear(db);
    }
    expect(seen).toMatchObject({ held: 0, not_found: 0 });
  });

  test("a retry that is being committed: it waits, and then the job has not ended", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "failed" });
    await using retrier = session(db);
    await retrier.sql`begin`;
    expect(await retryJob(retrier, jobs[0]!.id)).toBe("retried");
    const answer = deleteJob(db, jobs[0]!.id);
    await blocked(db);
    await retrier.sql`commit`;
    expect(await answer).toBe("not_final");
    expect(await stateOf(db, jobs[0]!.id)).toBe("available");
  });

  test("the end of a neighbour: nobody waits for the other for ever, and both are done", async () => {
    await using deleter = session(db);
    await using ender = session(db);
    for (let round = 0; round < 50; round++) {
      const { worker, jobs } = await working(db, 2);
      await end(db, worker, [jobs[0]!], {}, []);
      const [, ended] = await Promise.all([
        deleteJob(deleter, jobs[0]!.id),
        end(ender, worker, [jobs[1]!], {}, [jobs[1]!.leaseId]),
      ]);
      expect(ended).toEqual([jobs[1]!.id]);
      const now = await deleteJob(db, jobs[0]!.id);
      expect(["deleted", "not_found"]).toContain(now);
      await gone(jobs[0]!.id);
      expect(await tallies()).toEqual({ completed: 1 });
      await clear(db);
    }
  });

  test("another delete of many, in another order: each job goes once, without a deadlock", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 20; round++) {
      const { worker, jobs } = await working(db, 30);
      await end(db, worker, jobs);
      const answers = await Promise.all([
        deleteJobs(one, ids(jobs)),
        deleteJobs(other, ids(jobs).toReversed()),
      ]);
      for (const { id } of jobs)
        expect(answers.filter((answer) => answer.get(id) === "deleted")).toHaveLength(1);
      expect(await states(db)).toEqual({});
      expect(await tallies()).toEqual({});
    }
  });
});
