import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { changeJob } from "../../src/queue/change.ts";
import { announcedWork, WORK_CHANNEL } from "../../src/queue/channels.ts";
import { FIRST_PAGE, pruneJobs } from "../../src/queue/prune.ts";
import { jobReader } from "../../src/queue/read.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, newJob, passTime, registered, take, working } from "../support/factory.ts";
import { blocked, blocks, clear, endings, everything, ids, stateOf } from "../support/facts.ts";
import { meeting } from "../support/meeting.ts";
import { session } from "../support/session.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();
const readJob = jobReader(db);

beforeEach(() => clear(db));

const HOUR_MS = 60 * 60 * 1000;
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS);

type Waiting = "scheduled" | "available" | "retryable";

/** A job that waits so, with `others` in the same block. */
async function waiting(state: Waiting, others = 0): Promise<string[]> {
  if (state !== "retryable") {
    const scheduledAt = state === "scheduled" ? inHours(1) : null;
    return ids(await insertNew(db, 1 + others, { scheduledAt }));
  }
  const { worker, jobs } = await working(db, 1 + others);
  await end(db, worker, jobs, { outcome: "failed", failures: 1, losses: 1, retryAfterMs: HOUR_MS });
  return ids(jobs);
}

const blockOf = async (id: string) => (await blocks(db)).filter((block) => block.jobIds.includes(id));

/** It stands in one block, and where the job and its endings say. */
async function placed(id: string) {
  const found = await blockOf(id);
  expect(found).toHaveLength(1);
  const job = (await readJob(id))!;
  expect(found[0]).toMatchObject({ priority: job.priority, queue: job.queue, runAt: job.runAt! });
  return found[0]!;
}

describe.each(["scheduled", "available", "retryable"] as const)("a job that is %s", (state) => {
  test.each([0, 2])("gets another priority, and %d others in its block keep theirs", async (others) => {
    const [id, ...rest] = await waiting(state, others);
    const before = (await blockOf(id!))[0]!;
    expect(await changeJob(db, id!, { priority: 1 })).toBe("changed");
    expect(await placed(id!)).toEqual({ ...before, priority: 1, jobIds: [id!] });
    if (others > 0) expect(await blockOf(rest[0]!)).toEqual([{ ...before, jobIds: rest }]);
    expect(await stateOf(db, id!)).toBe(state);
    expect((await blocks(db)).length).toBe(others > 0 ? 2 : 1);
  });

  test.each([0, 2])("gets another time, and %d others in its block keep theirs", async (others) => {
    const [id, ...rest] = await waiting(state, others);
    const before = (await blockOf(id!))[0]!;
    const at = inHours(2);
    expect(await changeJob(db, id!, { scheduledAt: at })).toBe("changed");
    expect(await placed(id!)).toEqual({ ...before, runAt: at, jobIds: [id!] });
    if (others > 0) expect(await blockOf(rest[0]!)).toEqual([{ ...before, jobIds: rest }]);
    expect(await stateOf(db, id!)).toBe(state === "retryable" ? "retryable" : "scheduled");
    if (state === "retryable") expect(await endings(db, id!)).toMatchObject([{ retryAt: at }]);
  });

  test.each([null, new Date(0), new Date(Date.now() - 1)])("is due at once when asked for %p", async (at) => {
    const [id] = await waiting(state, 1);
    expect(await changeJob(db, id!, { scheduledAt: at, priority: 9 })).toBe("changed");
    expect(await stateOf(db, id!)).toBe("available");
    await placed(id!);
    const worker = await registered(db);
    const taken = await take(db, worker, 10);
    expect(taken).toContainEqual(
      expect.objectContaining({ id, priority: 9, attempt: state === "retryable" ? 2 : 1 }),
    );
    await end(db, worker, taken);
    expect(await stateOf(db, id!)).toBe("completed");
  });

  test("can be changed again and again, and its place is found by whoever looks for it", async () => {
    const [id] = await waiting(state, 3);
    const changes = [
      { priority: 2 },
      { scheduledAt: inHours(3) },
      {},
      { scheduledAt: null },
      { priority: 5 },
    ];
    for (const change of [...changes, { scheduledAt: inHours(1), priority: 7 }]) {
      expect(await changeJob(db, id!, change)).toBe("changed");
      await placed(id!);
    }
    expect(await cancelJob(db, id!)).toBe("cancelled");
    expect(await blockOf(id!)).toEqual([]);
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toHaveLength(3);
  });

  test("keeps what it has behind it", async () => {
    const [id] = await waiting(state);
    const before = (await blockOf(id!))[0]!;
    await changeJob(db, id!, { priority: 3, scheduledAt: inHours(5) });
    const { attempt, failures, losses, kind, queue } = await placed(id!);
    expect({ attempt, failures, losses, kind, queue }).toEqual({
      attempt: before.attempt,
      failures: before.failures,
      losses: before.losses,
      kind: before.kind,
      queue: before.queue,
    });
  });

  test("of somebody else is not there", async () => {
    const [id] = await waiting(state);
    const before = await everything(db);
    expect(await changeJob(db, id!, { priority: 1 }, crypto.randomUUID())).toBe("not_found");
    expect(await everything(db)).toEqual(before);
    expect(await changeJob(db, id!, { priority: 1 }, newJob().userId)).toBe("changed");
  });
});

test("of a job that is due workers hear since when, for it may stand below their marks", async () => {
  const heard: string[] = [];
  const listener = connect({ address: db.address, name: "jobsvc test", connections: 1, prepare: true });
  onTestFinished(() => listener.close());
  await listener.listen(
    WORK_CHANNEL,
    (payload) => heard.push(payload),
    () => {},
  );
  const [later] = await waiting("scheduled");
  const [due] = await waiting("available");
  await passTime(db, 60_000);
  const { runAt } = (await blockOf(due!))[0]!;
  await changeJob(db, later!, { priority: 1 });
  await changeJob(db, due!, { priority: 1 });
  await until("the notification", () => heard.length > 0);
  expect(heard.map(announcedWork)).toEqual([{ queues: ["default"], sinceMs: runAt.getTime() }]);
});

test("a job that was changed and cancelled can be pruned", async () => {
  const [job] = await insertNew(db, 1, { id: "00000000-0001-7000-8000-000000000000" });
  await changeJob(db, job!.id, { priority: 2, scheduledAt: inHours(1) });
  await cancelJob(db, job!.id);
  await passTime(db, 48 * HOUR_MS);
  const retention = { completedHours: 24, cancelledHours: 24, failedHours: 24 };
  expect(await pruneJobs(db, { retention, limit: 10, after: FIRST_PAGE })).toMatchObject({ jobs: 1 });
});

describe("a job that does not wait", () => {
  test("is not changed, whether it runs or has ended", async () => {
    const { worker, jobs } = await working(db, 4);
    await end(db, worker, [jobs[0]!], {}, []);
    await end(db, worker, [jobs[1]!], { outcome: "failed" }, []);
    await cancelJob(db, jobs[2]!.id);
    const before = await everything(db);
    for (const { id } of jobs) {
      expect(await changeJob(db, id, { priority: 1 })).toBe("not_waiting");
      expect(await changeJob(db, id, { scheduledAt: inHours(1) })).toBe("not_waiting");
    }
    expect(await everything(db)).toEqual(before);
  });

  test("may not be there at all", async () => {
    expect(await changeJob(db, Bun.randomUUIDv7(), { priority: 1 })).toBe("not_found");
  });
});

describe("a change meets", () => {
  test("a take that is being committed: it waits, and then the job runs", async () => {
    await using taker = session(db);
    const worker = await registered(db);
    const [first, second] = ids(await insertNew(db, 2));
    await taker.sql`begin`;
    const taken = await take(taker, worker, 1);
    const answers = [changeJob(db, first!, { priority: 1 }), changeJob(db, second!, { priority: 1 })];
    await blocked(db);
    await taker.sql`commit`;
    expect(ids(taken)).toEqual([first!]);
    expect(await Promise.all(answers)).toEqual(["not_waiting", "changed"]);
    expect(await stateOf(db, first!)).toBe("running");
    await placed(second!);
  });

  test("a take that comes to nothing: it waits, and then the job is changed", async () => {
    await using taker = session(db);
    const worker = await registered(db);
    const [id] = ids(await insertNew(db, 2));
    await taker.sql`begin`;
    await take(taker, worker, 2);
    const answer = changeJob(db, id!, { priority: 1 });
    await blocked(db);
    await taker.sql`rollback`;
    expect(await answer).toBe("changed");
    expect(await placed(id!)).toMatchObject({ priority: 1 });
  });

  test("a take: the job runs, or is changed and runs later; it is never lost and never twice", async () => {
    await using taker = session(db);
    await using changer = session(db);
    const worker = await registered(db);
    const seen = { changed: 0, not_waiting: 0, not_found: 0 };
    for (let round = 0; round < 150; round++) {
      const jobs = ids(await insertNew(db, 3));
      const [id] = jobs;
      const [taken, answer] = await meeting(
        round,
        () => take(taker, worker, 3),
        () => changeJob(changer, id!, { scheduledAt: inHours(1) }),
      );
      seen[answer]++;
      const ran = ids(taken).includes(id!);
      expect(await stateOf(db, id!)).toBe(ran ? "running" : "scheduled");
      // Whoever asks to change it while it is being taken is told that it runs.
      expect(answer).toBe(ran ? "not_waiting" : "changed");
      if (!ran) await placed(id!);
      const rest = await take(db, worker, 3);
      expect(ids([...taken, ...rest]).toSorted()).toEqual(jobs.filter((job) => ran || job !== id));
      await clear(db);
      await registered(db, worker);
    }
    expect(seen.not_found).toBe(0);
    expect(Math.min(seen.changed, seen.not_waiting)).toBeGreaterThan(0);
  });

  test("another change: both are done, one after the other", async () => {
    for (let round = 0; round < 30; round++) {
      const [id] = await waiting(round % 2 ? "retryable" : "scheduled", round % 3);
      const answers = await Promise.all([
        changeJob(db, id!, { priority: 1 }),
        changeJob(db, id!, { priority: 2 }),
        changeJob(db, id!, { scheduledAt: inHours(7) }),
      ]);
      expect(answers).toEqual(["changed", "changed", "changed"]);
      expect((await placed(id!)).runAt.getTime()).toBeGreaterThan(Date.now() + 6 * HOUR_MS);
      await clear(db);
    }
  });

  test("a change of another job in the same block: both are done", async () => {
    const jobs = await waiting("available", 9);
    const answers = jobs.map((id, place) => changeJob(db, id, { priority: 1 + (place % 9) }));
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["changed"]));
    for (const [place, id] of jobs.entries())
      expect(await placed(id)).toMatchObject({ priority: 1 + (place % 9) });
    expect(await blocks(db)).toHaveLength(10);
  });

  test("a cancel: the job is cancelled, and stands nowhere any more", async () => {
    await using canceller = session(db);
    await using changer = session(db);
    const seen = { changed: 0, not_waiting: 0, not_found: 0 };
    for (let round = 0; round < 150; round++) {
      const [id] = await waiting(round % 3 ? "scheduled" : "available", round % 5);
      const [cancelled, answer] = await meeting(
        round,
        () => cancelJob(canceller, id!),
        () => changeJob(changer, id!, { scheduledAt: inHours(9) }),
      );
      expect(cancelled).toBe("cancelled");
      seen[answer]++;
      expect(await stateOf(db, id!)).toBe("cancelled");
      expect(await blockOf(id!)).toEqual([]);
      await clear(db);
    }
    expect(Math.min(seen.changed, seen.not_waiting)).toBeGreaterThan(0);
  });
});
