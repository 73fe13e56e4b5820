import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob, cancelJobs } from "../../src/queue/cancel.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take, working } from "../support/factory.ts";
import { blocked, blocks, clear, ids, outcomes, stateOf, states } from "../support/facts.ts";
import { meeting } from "../support/meeting.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("cancel meets", () => {
  test("the end of the attempt: one of the two counts, and each is told the truth", async () => {
    await using ender = session(db);
    await using canceller = session(db);
    const seen = { completed: 0, cancelled: 0 };
    for (let round = 0; round < 200; round++) {
      const { worker, jobs } = await working(db, 1);
      const { id } = jobs[0]!;
      const [answer, ended] = await meeting(
        round,
        () => cancelJob(canceller, id),
        () => end(ender, worker, jobs),
      );
      const state = ended.length === 1 ? "completed" : "cancelled";
      expect(answer).toBe(state === "completed" ? "already_final" : "cancelled");
      expect(await stateOf(db, id)).toBe(state);
      expect(await outcomes(db, id)).toEqual([state]);
      seen[state]++;
    }
    expect(Math.min(seen.completed, seen.cancelled)).toBeGreaterThan(0);
  });

  test("an end that is being committed: it waits, and then cancels what the end left to do", async () => {
    const { worker, jobs } = await working(db, 2);
    await using ender = session(db);
    await ender.sql`begin`;
    await end(ender, worker, [jobs[0]!]);
    await end(ender, worker, [jobs[1]!], { outcome: "failed", failures: 1, retryAfterMs: 0 });
    const answers = cancelJobs(db, ids(jobs));
    await blocked(db);
    await ender.sql`commit`;
    expect([...(await answers).values()].toSorted()).toEqual(["already_final", "cancelled"]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["completed"]);
    expect(await outcomes(db, jobs[1]!.id)).toEqual(["failed", "cancelled"]);
    expect(await blocks(db)).toEqual([]);
  });

  test("a take: the job is cancelled, and whoever took it cannot end it otherwise", async () => {
    await using taker = session(db);
    await using canceller = session(db);
    const worker = await registered(db);
    for (let round = 0; round < 100; round++) {
      const jobs = await insertNew(db, 3);
      const [first, answer] = await Promise.all([take(taker, worker, 3), cancelJob(canceller, jobs[1]!.id)]);
      expect(answer).toBe("cancelled");
      // The take may have passed by the block while the cancel shortened it, and the cancel may have left the
      // job in the block while it was being taken.
      const taken = [...first, ...(await take(db, worker, 3))];
      expect((await end(db, worker, taken)).toSorted()).toEqual(ids([jobs[0]!, jobs[2]!]));
      expect(await stateOf(db, jobs[1]!.id)).toBe("cancelled");
      expect(await take(db, worker, 3)).toEqual([]);
      await clear(db);
      await registered(db, worker);
    }
  });

  test("another cancel: one of them has done it", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 50; round++) {
      const jobs = await insertNew(db, 20);
      const [first, second] = await Promise.all([
        cancelJobs(one, ids(jobs)),
        cancelJobs(other, ids(jobs).toReversed()),
      ]);
      for (const { id } of jobs)
        expect([first.get(id), second.get(id)].toSorted()).toEqual(["already_final", "cancelled"]);
      expect(await blocks(db)).toEqual([]);
    }
    expect(await states(db)).toEqual({ cancelled: 50 * 20 });
  });

  test("an operator's retry: the job is cancelled for good or runs again, as the answers say", async () => {
    await using one = session(db);
    await using other = session(db);
    for (let round = 0; round < 50; round++) {
      const { worker, jobs } = await working(db, 1);
      const { id } = jobs[0]!;
      await end(db, worker, jobs, { outcome: "failed" });
      const [retried, cancelled] = await Promise.all([retryJob(one, id), cancelJob(other, id)]);
      expect(retried).toBe("retried");
      expect(await stateOf(db, id)).toBe(cancelled === "cancelled" ? "cancelled" : "available");
      expect(await take(db, worker, 10)).toHaveLength(cancelled === "cancelled" ? 0 : 1);
      await clear(db);
    }
  });
});
