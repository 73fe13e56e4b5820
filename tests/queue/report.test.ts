import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { FIRST_PAGE, pruneJobs } from "../../src/queue/prune.ts";
import { reportLines } from "../../src/queue/report.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, passTime, registered, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { line, linesOf, tell } from "../support/lines.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const numbers = async (jobId: string) =>
  (await linesOf(db, jobId)).map(({ attempt, seq }) => `${attempt}.${seq}`);

describe("report", () => {
  test("keeps what many jobs tell, to the byte and in the order of each", async () => {
    const { jobs } = await working(db, 2);
    const [one, other] = jobs;
    const data = String.raw`{ "chunk" : "\u0000 \ud800 é", "n": 12345678901234567890, "n": 1e400 }`;
    const refused = await reportLines(db, [
      line(other!, 1),
      line(one!, 2, { type: "log", data: '{"message":"second"}' }),
      line(one!, 1, { type: "progress", data }),
    ]);
    expect(refused).toBe(0);
    expect(await linesOf(db, one!.id)).toEqual([
      { attempt: 1, seq: 1, type: "progress", data },
      { attempt: 1, seq: 2, type: "log", data: '{"message":"second"}' },
    ]);
    expect(await numbers(other!.id)).toEqual(["1.1"]);
  });

  test("changes nothing when it is repeated, also in part and with more", async () => {
    const { jobs } = await working(db, 1);
    const [job] = jobs;
    expect(await tell(db, job!, 1, 3)).toBe(0);
    expect(await tell(db, job!, 1, 3)).toBe(0);
    expect(await tell(db, job!, 2, 5)).toBe(0);
    expect(await numbers(job!.id)).toEqual(["1.1", "1.2", "1.3", "1.4", "1.5"]);
  });

  test("does nothing with nothing", async () => {
    expect(await reportLines(db, [])).toBe(0);
  });

  test("keeps its room for an attempt that runs again, beside what was told before", async () => {
    const { worker, jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 2);
    await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 0 });
    const [again] = await take(db, worker, 1);
    await tell(db, again!, 1, 1);
    expect(await numbers(jobs[0]!.id)).toEqual(["1.1", "1.2", "2.1"]);
  });
});

describe("an attempt that has ended", () => {
  test.each(["completed", "failed", "snoozed", "released"] as const)(
    "as %s tells nothing more",
    async (outcome) => {
      const { worker, jobs } = await working(db, 2);
      const [job, neighbour] = jobs;
      await end(db, worker, [job!], { outcome, retryAfterMs: outcome === "completed" ? null : 0 }, []);
      expect(await reportLines(db, [line(job!, 1), line(neighbour!, 1), line(job!, 2)])).toBe(2);
      expect(await numbers(job!.id)).toEqual([]);
      expect(await numbers(neighbour!.id)).toEqual(["1.1"]);
    },
  );

  test("because somebody cancelled it tells nothing more", async () => {
    const { jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 1);
    await cancelJob(db, jobs[0]!.id);
    expect(await tell(db, jobs[0]!, 2, 3)).toBe(2);
    expect(await numbers(jobs[0]!.id)).toEqual(["1.1"]);
  });

  test("because its worker was taken for dead tells nothing more, while the next one does", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    await tell(db, job!, 1, 1);
    await expire(db, worker);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    await passTime(db, 60_000);
    const [again] = await take(db, await registered(db), 1);
    expect(await reportLines(db, [line(job!, 2), line(again!, 1)])).toBe(1);
    expect(await numbers(job!.id)).toEqual(["1.1", "2.1"]);
  });

  test("and whose job is deleted leaves nothing behind, whoever still tells of it", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    await tell(db, job!, 1, 1);
    await end(db, worker, jobs);
    expect(await deleteJob(db, job!.id)).toBe("deleted");
    expect(await numbers(job!.id)).toEqual([]);
    expect(await tell(db, job!, 2, 2)).toBe(1);
    expect(await numbers(job!.id)).toEqual([]);
  });
});

test("pruning a job takes what it told along, and leaves what others told", async () => {
  const twoDays = 2 * 24 * 60 * 60 * 1000;
  const { worker, jobs } = await working(db, 1, { id: Bun.randomUUIDv7("hex", Date.now() - twoDays) });
  const [old] = jobs;
  const [running] = (await working(db, 1)).jobs;
  for (const job of [old!, running!]) await tell(db, job, 1, 3);
  await end(db, worker, [old!], { endedAtMs: -twoDays });
  const retention = { completedHours: 24, cancelledHours: 24, failedHours: 24 };
  await pruneJobs(db, { retention, limit: 10, after: FIRST_PAGE });
  expect(await numbers(old!.id)).toEqual([]);
  expect(await numbers(running!.id)).toEqual(["1.1", "1.2", "1.3"]);
});
