import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { readOverdue } from "../../src/queue/overdue.ts";
import { testDatabase } from "../support/database.ts";
import { passTime, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { LIMIT_MS, pulling } from "../support/pulling.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("overdue", () => {
  test("is what has passed its deadline, and not a moment earlier", async () => {
    const { worker, jobs } = await pulling(db, 1, { timeoutMs: 5_000, maxAttempts: 7, priority: 2 });
    await pulling(db, 1);
    expect(await readOverdue(db, 10)).toEqual([]);
    await passTime(db, 5_001);
    const [job] = jobs;
    expect(await readOverdue(db, 10)).toEqual([
      {
        leaseId: job!.leaseId,
        workerId: worker.id,
        limitMs: 5_000,
        jobs: [
          {
            jobId: job!.id,
            attempt: 1,
            queue: "default",
            kind: "ai_agent",
            priority: 2,
            failures: 0,
            losses: 0,
            maxAttempts: 7,
            ranMs: expect.any(Number),
          },
        ],
      },
    ]);
  });

  test("comes with the longest first, and no more than were asked for", async () => {
    const { jobs: late } = await pulling(db, 1, { timeoutMs: 5_000 });
    const { jobs: later } = await pulling(db, 1, { timeoutMs: 1_000 });
    await passTime(db, 10_000);
    expect((await readOverdue(db, 10)).map(({ leaseId }) => leaseId)).toEqual([
      later[0]!.leaseId,
      late[0]!.leaseId,
    ]);
    expect(await readOverdue(db, 1)).toMatchObject([{ leaseId: later[0]!.leaseId }]);
  });

  test("is a lease without jobs when they have ended", async () => {
    const { jobs } = await pulling(db, 1);
    await cancelJob(db, jobs[0]!.id);
    await passTime(db, LIMIT_MS + 1);
    expect(await readOverdue(db, 10)).toMatchObject([{ leaseId: jobs[0]!.leaseId, jobs: [] }]);
  });

  test("is never what a process of ours runs", async () => {
    await working(db, 1, { timeoutMs: 1_000 });
    await passTime(db, 10_000);
    expect(await readOverdue(db, 10)).toEqual([]);
  });
});
