import { beforeEach, describe, expect, test } from "bun:test";
import type { TakenJob } from "../../src/job/job.ts";
import { endAttempts } from "../../src/queue/end.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, ending, insertNew, passTime, registered, take, working } from "../support/factory.ts";
import {
  blocks,
  clear,
  databaseNow,
  endings,
  everything,
  leases,
  outcomes,
  stateOf,
} from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const keys = (jobs: readonly TakenJob[]) => jobs.map(({ id, attempt }) => ({ jobId: id, attempt }));

describe("end", () => {
  test("counts each job under its own queue, kind and outcome, whether they are all alike or not", async () => {
    await db.sql`truncate jobsvc.tallies`;
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    await insertNew(db, 3);
    await insertNew(db, 2, { kind: "client_agent" });
    await end(db, worker, await take(db, worker, 5));
    await insertNew(db, 4);
    await end(db, worker, await take(db, worker, 4), { outcome: "failed" });
    const counted = await db.sql`
      select queue, kind, outcome, jobs::int as jobs from jobsvc.tallies order by kind, outcome`;
    expect([...counted]).toEqual([
      { queue: "default", kind: "ai_agent", outcome: "completed", jobs: 3 },
      { queue: "default", kind: "ai_agent", outcome: "failed", jobs: 4 },
      { queue: "default", kind: "client_agent", outcome: "completed", jobs: 2 },
    ]);
  });

  test("ends attempts, answers them, and takes back the leases that are done", async () => {
    const { worker, jobs } = await working(db, 3);
    const answered = await endAttempts(db, {
      workerId: worker.id,
      endings: jobs.map((job) => ending(job)),
      doneLeases: [jobs[0]!.leaseId],
      nowMs: 0,
    });
    expect(answered).toEqual(keys(jobs));
    for (const job of jobs) {
      expect(await endings(db, job.id)).toMatchObject([
        { attempt: 1, outcome: "completed", workerId: worker.id, retryAt: null },
      ]);
      expect(await stateOf(db, job.id)).toBe("completed");
    }
    expect(await leases(db)).toEqual([]);
  });

  test("leaves a lease that was disowned to rescue, which lets run again what was broken off", async () => {
    const { worker, jobs } = await working(db, 2);
    const [broken, done] = jobs;
    await db.sql`update jobsvc.leases set worker_id = null`;
    // The worker has heard that its lease is lost, and is through with both: the first without an ending.
    await end(db, worker, [done!]);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    expect(await outcomes(db, broken!.id)).toEqual(["lost"]);
    expect(await outcomes(db, done!.id)).toEqual(["completed"]);
    expect(await blocks(db)).toMatchObject([{ attempt: 2, jobIds: [broken!.id] }]);
    expect(await leases(db)).toEqual([]);
  });

  test("keeps a lease that was not named: some of its jobs still run", async () => {
    const { worker, jobs } = await working(db, 2);
    const [first, second] = jobs;
    await endAttempts(db, { workerId: worker.id, endings: [ending(first!)], doneLeases: [], nowMs: 0 });
    expect((await leases(db)).map((lease) => lease.id)).toEqual([first!.leaseId]);
    expect(await stateOf(db, first!.id)).toBe("completed");
    expect(await stateOf(db, second!.id)).toBe("running");
    await end(db, worker, [second!]);
    expect(await leases(db)).toEqual([]);
  });

  test("lets a job wait for its next attempt, with what it has behind it", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    await end(db, worker, [job!], { outcome: "failed", retryAfterMs: 60_000, failures: 1, losses: 2 });
    const [{ retryAt } = { retryAt: null }] = await endings(db, job!.id);
    expect(await blocks(db)).toEqual([
      {
        queue: "default",
        kind: "ai_agent",
        priority: 5,
        attempt: 2,
        failures: 1,
        losses: 2,
        runAt: retryAt!,
        jobIds: [job!.id],
      },
    ]);
    expect(await stateOf(db, job!.id)).toBe("retryable");
    expect(await take(db, worker, 1)).toEqual([]);
    await passTime(db, 60_000);
    expect(await stateOf(db, job!.id)).toBe("available");
    const again = await registered(db);
    expect(await take(db, again, 1)).toMatchObject([{ id: job!.id, attempt: 2, failures: 1, losses: 2 }]);
    expect(await stateOf(db, job!.id)).toBe("running");
  });

  test("puts those that wait for the same moment with the same standing into one block", async () => {
    const { worker, jobs } = await working(db, 6);
    const plans = [
      { retryAfterMs: 60_000, failures: 1 },
      { retryAfterMs: 60_000, failures: 1 },
      { retryAfterMs: 60_000, failures: 2 },
      { retryAfterMs: 90_000, failures: 1 },
      { retryAfterMs: 60_000, failures: 1, losses: 1 },
      { retryAfterMs: null, failures: 1 },
    ];
    await endAttempts(db, {
      workerId: worker.id,
      endings: jobs.map((job, n) => ending(job, { outcome: "failed", ...plans[n] })),
      doneLeases: [jobs[0]!.leaseId],
      nowMs: 0,
    });
    const waiting = (await blocks(db)).map((block) => block.jobIds.join());
    expect(waiting.toSorted()).toEqual(
      [[0, 1], [2], [4], [3]].map((group) => group.map((n) => jobs[n]!.id).join()).toSorted(),
    );
    expect((await blocks(db)).at(-1)!.jobIds).toEqual([jobs[3]!.id]);
    expect(await stateOf(db, jobs[5]!.id)).toBe("failed");
  });

  test("keeps every outcome of one call apart", async () => {
    const { worker, jobs } = await working(db, 6);
    const [completed, failed, retried, cancelled, snoozed, released] = jobs;
    await endAttempts(db, {
      workerId: worker.id,
      endings: [
        ending(completed!),
        ending(failed!, { outcome: "failed", failures: 1 }),
        ending(retried!, { outcome: "failed", failures: 1, retryAfterMs: 1_000 }),
        ending(cancelled!, { outcome: "cancelled" }),
        ending(snoozed!, { outcome: "snoozed", retryAfterMs: 3_600_000 }),
        ending(released!, { outcome: "released", retryAfterMs: 0 }),
      ],
      doneLeases: [completed!.leaseId],
      nowMs: 0,
    });
    expect(await Promise.all(jobs.map((job) => stateOf(db, job.id)))).toEqual([
      "completed",
      "failed",
      "retryable",
      "cancelled",
      "retryable",
      "available",
    ]);
    expect((await Promise.all(jobs.map((job) => outcomes(db, job.id)))).flat()).toEqual([
      "completed",
      "failed",
      "failed",
      "cancelled",
      "snoozed",
      "released",
    ]);
    expect(await take(db, worker, 10)).toMatchObject([{ id: released!.id, attempt: 2, failures: 0 }]);
  });

  test("brings each job back to the lane it came from", async () => {
    const lanes = [{ queue: "mail", priority: 1 }, { kind: "client_agent" }, {}];
    for (const lane of lanes) await insertNew(db, 1, lane);
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    const jobs = [...(await take(db, worker, 9)), ...(await take(db, worker, 9, { queue: "mail" }))];
    const before = (await everything(db)) as { jobs: { id: string }[] };
    await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 0 });
    expect(await blocks(db)).toHaveLength(3);
    for (const { jobIds, queue, kind, priority } of await blocks(db))
      expect(before.jobs.find(({ id }) => id === jobIds[0])).toMatchObject({ queue, kind, priority });
  });

  test("dates an ending by the database's clock, from how long ago and how long it was", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    const before = (await databaseNow(db)).getTime();
    await endAttempts(db, {
      workerId: worker.id,
      endings: [ending(job!, { outcome: "failed", ranMs: 5_000, endedAtMs: 70_000, retryAfterMs: 30_000 })],
      doneLeases: [],
      nowMs: 72_000,
    });
    const after = (await databaseNow(db)).getTime();
    const [row] = await endings(db, job!.id);
    const written = row!.finishedAt.getTime() + 2_000;
    expect(written).toBeGreaterThanOrEqual(before - 1);
    expect(written).toBeLessThanOrEqual(after + 1);
    expect(row!.finishedAt.getTime() - row!.startedAt!.getTime()).toBe(5_000);
    expect(row!.retryAt!.getTime() - row!.finishedAt.getTime()).toBe(32_000);
  });

  test("keeps what a handler returned or threw, to the byte", async () => {
    const { worker, jobs } = await working(db, 2);
    const result = ' {"b": 1e400, "a":12345678901234567890123, "a" : "\\u0000"}\n';
    const error = {
      name: "Error",
      message: 'quote " slash \\ brace } snow \u2603',
      stack: "at\nline",
      cause: { name: "x", message: "" },
    };
    await end(db, worker, [jobs[0]!], { result });
    await end(db, worker, [jobs[1]!], { outcome: "failed", error });
    expect(await endings(db, jobs[0]!.id)).toMatchObject([{ result, error: null }]);
    expect(await endings(db, jobs[1]!.id)).toMatchObject([{ result: null, error }]);
  });

  test("ends nothing and fails nothing when there is nothing to end", async () => {
    expect(
      await endAttempts(db, { workerId: crypto.randomUUID(), endings: [], doneLeases: [], nowMs: 0 }),
    ).toEqual([]);
  });
});
