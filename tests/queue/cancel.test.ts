import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob, cancelJobs } from "../../src/queue/cancel.ts";
import { ENDED_CHANNEL } from "../../src/queue/channels.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, newJob, passTime, registered, take, working } from "../support/factory.ts";
import { blocks, clear, endings, everything, ids, leases, outcomes, stateOf } from "../support/facts.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** One job, in the state that the test is about. */
async function inState(state: "scheduled" | "available" | "running" | "retryable") {
  const scheduledAt = state === "scheduled" ? new Date(Date.now() + 3_600_000) : null;
  const [job] = await insertNew(db, 1, { scheduledAt });
  const worker = await registered(db);
  if (state === "running" || state === "retryable") {
    const taken = await take(db, worker, 1);
    const retry = { outcome: "failed", failures: 1, retryAfterMs: 60_000 } as const;
    if (state === "retryable") await end(db, worker, taken, retry);
  }
  expect(await stateOf(db, job!.id)).toBe(state);
  return { id: job!.id, worker };
}

describe("cancel", () => {
  test.each(["scheduled", "available", "retryable"] as const)(
    "ends a job that is %s, and it never runs",
    async (state) => {
      const { id } = await inState(state);
      const before = await outcomes(db, id);
      expect(await cancelJob(db, id)).toBe("cancelled");
      expect(await stateOf(db, id)).toBe("cancelled");
      expect(await blocks(db)).toEqual([]);
      expect(await outcomes(db, id)).toEqual([...before, "cancelled"]);
      expect((await endings(db, id)).at(-1)).toMatchObject({
        attempt: before.length + 1,
        workerId: null,
        startedAt: null,
        retryAt: null,
      });
      await passTime(db, 3_600_000);
      expect(await take(db, await registered(db), 10)).toEqual([]);
    },
  );

  test("ends the attempt that runs, and says whose it was", async () => {
    const { id, worker } = await inState("running");
    expect(await cancelJob(db, id)).toBe("cancelled");
    expect(await stateOf(db, id)).toBe("cancelled");
    const [row] = await endings(db, id);
    expect(row).toMatchObject({ attempt: 1, outcome: "cancelled", workerId: worker.id });
    expect(row!.startedAt).toBeInstanceOf(Date);
    // The worker is still at it: its lease stays until it gives it back.
    expect(await leases(db)).toHaveLength(1);
  });

  test("leaves nothing to the worker that ran the attempt, not even a retry", async () => {
    const { worker, jobs } = await working(db, 1);
    await cancelJob(db, jobs[0]!.id);
    expect(await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 })).toEqual([]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["cancelled"]);
    expect(await blocks(db)).toEqual([]);
    expect(await leases(db)).toEqual([]);
  });

  test.each(["completed", "failed", "cancelled"] as const)(
    "says so when the job is %s already, and changes nothing",
    async (outcome) => {
      const { worker, jobs } = await working(db, 1);
      await end(db, worker, jobs, { outcome });
      const before = await everything(db);
      expect(await cancelJob(db, jobs[0]!.id)).toBe("already_final");
      expect(await everything(db)).toEqual(before);
    },
  );

  test("says so when there is no such job", async () => {
    expect(await cancelJob(db, Bun.randomUUIDv7())).toBe("not_found");
    expect(await everything(db)).toMatchObject({ attempts: null });
  });

  test("knows only the jobs of a user when one is named", async () => {
    const [mine, theirs] = [newJob(), newJob()];
    const [user, other] = [crypto.randomUUID(), crypto.randomUUID()];
    const [own] = await insertNew(db, 1, { ...mine, userId: user });
    const [foreign] = await insertNew(db, 1, { ...theirs, userId: other });
    const answers = await cancelJobs(db, [own!.id, foreign!.id], user);
    expect(Object.fromEntries(answers)).toEqual({ [own!.id]: "cancelled" });
    expect(await stateOf(db, foreign!.id)).toBe("available");
  });

  test("takes the job out of a big block, and keeps the others in their order", async () => {
    const jobs = await insertNew(db, 100);
    expect(await cancelJob(db, jobs[50]!.id)).toBe("cancelled");
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([ids(jobs.toSpliced(50, 1))]);
    expect(await take(db, await registered(db), 100)).toHaveLength(99);
  });

  test("takes many out of several blocks, and the blocks that are empty then", async () => {
    const [first, second, third] = [await insertNew(db, 3), await insertNew(db, 2), await insertNew(db, 2)];
    const gone = ids([first[0]!, first[2]!, ...second]);
    const unknown = Bun.randomUUIDv7();
    const answers = await cancelJobs(db, [...gone, unknown]);
    expect(Object.fromEntries(answers)).toEqual(Object.fromEntries(gone.map((id) => [id, "cancelled"])));
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([[first[1]!.id], ids(third)]);
  });

  test("reaches a block of a retry too, among jobs that failed together", async () => {
    const { worker, jobs } = await working(db, 3);
    await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
    expect(await cancelJob(db, jobs[1]!.id)).toBe("cancelled");
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([ids([jobs[0]!, jobs[2]!])]);
  });

  test("leaves a block alone that somebody is taking, and answers without waiting", async () => {
    const jobs = await insertNew(db, 2);
    await db.sql.begin(async (sql) => {
      await sql`select from jobsvc.ready for update`;
      expect(await cancelJob(db, jobs[0]!.id)).toBe("cancelled");
    });
    expect(await stateOf(db, jobs[0]!.id)).toBe("cancelled");
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([ids(jobs)]);
    expect(ids(await take(db, await registered(db), 10))).toEqual([jobs[1]!.id]);
  });

  test("tells the workers which attempt it was", async () => {
    const heard: string[] = [];
    await db.listen(
      ENDED_CHANNEL,
      (attempt) => heard.push(attempt),
      () => undefined,
    );
    const jobs = await insertNew(db, 3);
    await cancelJobs(db, ids(jobs.slice(0, 2)));
    await cancelJob(db, jobs[0]!.id); // already final: nothing to tell
    await cancelJob(db, jobs[2]!.id);
    await until("the last notification", () => heard.some((attempt) => attempt.startsWith(jobs[2]!.id)));
    expect(heard.toSorted()).toEqual(ids(jobs).map((id) => `${id} 1 cancelled`));
  });
});
