import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import type { TakenJob } from "../../src/job/job.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { type Endings, endings } from "../../src/worker/endings.ts";
import { testDatabase } from "../support/database.ts";
import { type Recorder, recorder } from "../support/events.ts";
import { ending, working } from "../support/factory.ts";
import { clear, endings as endingsOf, leases, outcomes, stateOf, states } from "../support/facts.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

interface Buffer extends Endings, Recorder {
  jobs: TakenJob[];
  /** Statements that were sent so far. */
  statements(): number;
}

/** A buffer that has started, for the taken jobs of a worker. */
async function bufferFor(count: number, changes: { maxAttempts?: number } = {}): Promise<Buffer> {
  const { worker, jobs } = await working(db, count, changes);
  const events = recorder();
  let sent = 0;
  const counting: Database = {
    ...db,
    run(statement, deadlineMs) {
      sent++;
      return db.run(statement, deadlineMs);
    },
  };
  const buffer = endings({ db: counting, workerId: worker.id, emit: events.emit });
  for (const job of jobs) buffer.expect(job);
  await buffer.start();
  onTestFinished(() => buffer.stop());
  return Object.assign(buffer, { ...events, jobs, statements: () => sent });
}

const allWritten = (count: number) =>
  until(`${count} endings`, async () => (await states(db)).completed === count);

describe("the endings", () => {
  test("that come together are written by one statement", async () => {
    const buffer = await bufferFor(400);
    for (const job of buffer.jobs) buffer.handIn(job, ending(job));
    await allWritten(400);
    expect(buffer.statements()).toBe(1);
  });

  test("go by four thousand, the rest in a last one", async () => {
    const buffer = await bufferFor(8_200);
    for (const job of buffer.jobs) buffer.handIn(job, ending(job));
    await allWritten(8_200);
    expect(buffer.statements()).toBe(3);
    expect(await leases(db)).toEqual([]);
  });

  test("that are large go by eight megabytes, so that a statement never outlasts its deadline", async () => {
    const buffer = await bufferFor(20);
    const result = JSON.stringify("x".repeat(1_000_000));
    for (const job of buffer.jobs) buffer.handIn(job, ending(job, { result }));
    expect(buffer.full).toBe(false);
    await allWritten(20);
    expect(buffer.statements()).toBe(3);
    expect(await leases(db)).toEqual([]);
  });

  test("wait for company, but not for long", async () => {
    const buffer = await bufferFor(2);
    const [first, second] = buffer.jobs;
    buffer.handIn(first!, ending(first!));
    await Promise.resolve();
    buffer.handIn(second!, ending(second!));
    await allWritten(2);
    expect(buffer.statements()).toBe(1);
  });

  test("that come later are written too", async () => {
    const buffer = await bufferFor(3);
    for (const job of buffer.jobs) {
      buffer.handIn(job, ending(job));
      await until("its ending", async () => (await stateOf(db, job.id)) === "completed");
    }
    expect(buffer.statements()).toBe(3);
  });

  test("are written by a stop, also when it comes at once", async () => {
    const buffer = await bufferFor(4_400);
    for (const job of buffer.jobs) buffer.handIn(job, ending(job));
    await buffer.stop();
    expect(await states(db)).toEqual({ completed: 4_400 });
    await buffer.stop();
  });
});

describe("a lease", () => {
  test("goes when the last of its jobs is written, and not before", async () => {
    const buffer = await bufferFor(3);
    const [first, second, third] = buffer.jobs;
    buffer.handIn(first!, ending(first!));
    buffer.handIn(second!, ending(second!));
    await allWritten(2);
    expect(await leases(db)).toHaveLength(1);
    expect(await stateOf(db, third!.id)).toBe("running");
    buffer.handIn(third!, ending(third!));
    await allWritten(3);
    expect(await leases(db)).toEqual([]);
  });

  test("goes also with jobs that somebody else has ended", async () => {
    const buffer = await bufferFor(2);
    const [cancelled, done] = buffer.jobs;
    await cancelJob(db, cancelled!.id);
    buffer.handIn(done!, ending(done!));
    await allWritten(1);
    expect(await leases(db)).toHaveLength(1);
    buffer.handIn(cancelled!, null);
    await until("no lease", async () => (await leases(db)).length === 0);
    expect(await outcomes(db, cancelled!.id)).toEqual(["cancelled"]);
    expect(buffer.of("job.ending_lost")).toEqual([]);
  });
});

describe("an ending that came too late", () => {
  test("is told of and counts for nothing; its neighbours count", async () => {
    const buffer = await bufferFor(3);
    const [late, ...others] = buffer.jobs;
    await cancelJob(db, late!.id);
    for (const job of buffer.jobs) buffer.handIn(job, ending(job));
    await allWritten(2);
    const lost = await buffer.heard("job.ending_lost");
    expect(lost).toMatchObject({ job_id: late!.id, attempt: 1, outcome: "completed" });
    expect(buffer.of("job.ending_lost")).toHaveLength(1);
    expect(await outcomes(db, late!.id)).toEqual(["cancelled"]);
    for (const job of others) expect(await outcomes(db, job.id)).toEqual(["completed"]);
  });
});

describe("an ending that the database refuses", () => {
  test("becomes a failure for good, and takes none of its neighbours along", async () => {
    const buffer = await bufferFor(5);
    const [, culprit] = buffer.jobs;
    for (const job of buffer.jobs) {
      const result = job === culprit ? "{ not json" : '"fine"';
      buffer.handIn(job, ending(job, { result, ranMs: 7 }));
    }
    await until("all endings", async () => (await leases(db)).length === 0);
    expect(await states(db)).toEqual({ completed: 4, failed: 1 });
    const [kept] = await endingsOf(db, culprit!.id);
    expect(kept).toMatchObject({ outcome: "failed", retryAt: null, result: null });
    expect(kept?.error).toMatchObject({ name: "ResultError", reason: "invalid_result" });
    expect(buffer.of("job.ending_lost")).toEqual([]);
  });

  test("whatever is said of it is told and holds nobody up; its lease stays for rescue", async () => {
    const buffer = await bufferFor(3);
    const [culprit, ...others] = buffer.jobs;
    // A number that no attempt may have, as a row that no statement of ours makes may ask for.
    buffer.handIn(culprit!, ending(culprit!, { attempt: 0 }));
    for (const job of others) buffer.handIn(job, ending(job));
    await allWritten(2);
    expect(buffer.of("step.failed")).toMatchObject([{ step: "endings" }]);
    expect(await stateOf(db, culprit!.id)).toBe("running");
    expect(await leases(db)).toHaveLength(1);
  });

  test("alone is no different", async () => {
    const buffer = await bufferFor(1);
    const [job] = buffer.jobs;
    buffer.handIn(job!, ending(job!, { result: "" }));
    await until("its ending", async () => (await stateOf(db, job!.id)) === "failed");
  });
});
