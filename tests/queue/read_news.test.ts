import { beforeEach, describe, expect, test } from "bun:test";
import { BEGINNING, type Place, placeText, STEP } from "../../src/job/event.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { type News, readNews } from "../../src/queue/read_news.ts";
import { reportLines } from "../../src/queue/report.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, newJob, passTime, registered, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { line, tell } from "../support/lines.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

async function news(
  jobId: string,
  after: Place = BEGINNING,
  userId: string | null = null,
): Promise<News | undefined> {
  const [one] = await readNews(db, [{ jobId, userId, ...after }]);
  return one;
}

const told = (one: News | undefined) =>
  one?.steps.map(({ attempt, step, type }) => `${attempt} ${step === STEP.ended ? "-" : step} ${type}`);

const far = { outcome: "failed", retryAfterMs: 60_000 } as const;

describe("the story of a job", () => {
  test("begins while it waits, and tells until when", async () => {
    const scheduledAt = new Date(Date.now() + 60_000);
    const [job] = await insertNew(db, 1, { scheduledAt });
    const waiting = await news(job!.id);
    expect(told(waiting)).toEqual(["1 -2 scheduled"]);
    expect(new Date(waiting!.steps[0]!.dueAt!)).toEqual(scheduledAt);
    expect(waiting).toMatchObject({ more: false, ended: false });

    await passTime(db, 60_001);
    expect(told(await news(job!.id))).toEqual(["1 -1 available"]);
    const seen = { attempt: 1, step: STEP.scheduled };
    expect(told(await news(job!.id, seen))).toEqual(["1 -1 available"]);
    expect(told(await news(job!.id, { ...seen, step: STEP.available }))).toEqual([]);
  });

  test("goes on with its start, what it tells, and its ending, which is the last", async () => {
    const { worker, jobs } = await working(db, 1);
    const [job] = jobs;
    expect(told(await news(job!.id))).toEqual(["1 0 started"]);
    await tell(db, job!, 1, 2);
    expect(told(await news(job!.id))).toEqual(["1 0 started", "1 1 output", "1 2 output"]);
    await end(db, worker, jobs);
    const all = await news(job!.id);
    expect(told(all)).toEqual(["1 0 started", "1 1 output", "1 2 output", "1 - ended"]);
    expect(all!.steps.at(-1)).toMatchObject({ outcome: "completed", dueAt: null, data: null });
    expect(all).toMatchObject({ more: false, ended: true });
  });

  test("has a chapter for every attempt, however it ended, and whoever ended it", async () => {
    const { worker, jobs } = await working(db, 1, { maxAttempts: 9 });
    const id = jobs[0]!.id;
    await tell(db, jobs[0]!, 1, 1);
    await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 0 });
    const [second] = await take(db, worker, 1);
    await end(db, worker, [second!], { outcome: "released", retryAfterMs: 0 });
    const [third] = await take(db, worker, 1);
    await tell(db, third!, 1, 1);
    await expire(db, worker);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    await passTime(db, 60_000);
    const [fourth] = await take(db, await registered(db), 1);
    await tell(db, fourth!, 1, 1);
    await cancelJob(db, id);
    const all = await news(id);
    expect(told(all)).toEqual([
      "1 0 started",
      "1 1 output",
      "1 - ended",
      "2 0 started",
      "2 - ended",
      "3 0 started",
      "3 1 output",
      "3 - ended",
      "4 0 started",
      "4 1 output",
      "4 - ended",
    ]);
    const endings = all!.steps.filter(({ type }) => type === "ended").map(({ outcome }) => outcome);
    expect(endings).toEqual(["failed", "released", "lost", "cancelled"]);
    expect(all!.ended).toBe(true);
  });

  test("waits between two attempts without saying so twice, and says when it is due", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, far);
    const id = jobs[0]!.id;
    expect(told(await news(id))).toEqual(["1 0 started", "1 - ended"]);
    const behind = { attempt: 1, step: STEP.ended };
    expect(told(await news(id, behind))).toEqual([]);
    await passTime(db, 60_001);
    expect(told(await news(id, behind))).toEqual(["2 -1 available"]);
  });

  test("of a job that was cancelled while it waited has no start", async () => {
    const [job] = await insertNew(db, 1);
    await cancelJob(db, job!.id);
    expect(told(await news(job!.id))).toEqual(["1 - ended"]);
  });

  test("goes on after its end when an operator wants so", async () => {
    const { worker, jobs } = await working(db, 1);
    const id = jobs[0]!.id;
    await end(db, worker, jobs, { outcome: "failed" });
    const behind = { attempt: 1, step: STEP.ended };
    expect(await news(id, behind)).toEqual({ steps: [], more: false, ended: true });
    await retryJob(db, id);
    const [again] = await take(db, worker, 1);
    expect(told(await news(id, behind))).toEqual(["2 0 started"]);
    await end(db, worker, [again!]);
    expect(told(await news(id, behind))).toEqual(["2 0 started", "2 - ended"]);
  });

  test("shows the next attempt's start also to who reads the end of this one with it", async () => {
    const { worker, jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 2);
    await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 0 });
    const [again] = await take(db, worker, 1);
    await tell(db, again!, 1, 1);
    const place = { attempt: 1, step: 1 };
    expect(told(await news(jobs[0]!.id, place))).toEqual([
      "1 2 output",
      "1 - ended",
      "2 0 started",
      "2 1 output",
    ]);
  });
});

describe("a reader", () => {
  test("gets the rest from any place on, without a gap or a repeat", async () => {
    const { worker, jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 3);
    await end(db, worker, jobs, { outcome: "failed", retryAfterMs: 0 });
    const [again] = await take(db, worker, 1);
    await tell(db, again!, 1, 2);
    await end(db, worker, [again!]);
    const all = (await news(jobs[0]!.id))!.steps;
    expect(all).toHaveLength(9);
    for (const [index, place] of all.entries())
      expect((await news(jobs[0]!.id, place))!.steps.map(placeText)).toEqual(
        all.slice(index + 1).map(placeText),
      );
  });

  test("gets a long story in pages, and its end only with the last", async () => {
    const { worker, jobs } = await working(db, 1);
    await tell(db, jobs[0]!, 1, 450);
    await end(db, worker, jobs);
    const pages: string[][] = [];
    let place: Place = BEGINNING;
    for (let more = true; more; ) {
      const page: News = (await news(jobs[0]!.id, place))!;
      pages.push(page.steps.map(placeText));
      place = page.steps.at(-1)!;
      more = page.more;
    }
    expect(pages.map((page) => page.length)).toEqual([200, 200, 52]);
    expect(new Set(pages.flat()).size).toBe(452);
    expect(place.step).toBe(STEP.ended);
  });

  test("gets long lines a few at a time, and at least one", async () => {
    const { jobs } = await working(db, 1);
    const long = (seq: number) =>
      line(jobs[0]!, seq, { data: JSON.stringify({ chunk: "x".repeat(200_000) }) });
    await reportLines(db, [long(1), long(2), long(3)]);
    expect(told(await news(jobs[0]!.id))).toEqual(["1 0 started", "1 1 output", "1 2 output"]);
    const second = await news(jobs[0]!.id, { attempt: 1, step: 1 });
    expect(told(second)).toEqual(["1 2 output", "1 3 output"]);
    expect(second!.more).toBe(false);
  });

  test("of many gets each their own, and nothing where there is no job", async () => {
    const { jobs } = await working(db, 2);
    const [one, other] = jobs;
    await tell(db, one!, 1, 1);
    const reader = (jobId: string, step: number) => ({ jobId, userId: null, attempt: 1, step });
    const answers = await readNews(db, [
      reader(one!.id, 0),
      reader(crypto.randomUUID(), 0),
      reader(other!.id, STEP.available),
      reader(one!.id, 1),
      reader(one!.id, 0),
    ]);
    expect(answers.map(told)).toEqual([["1 1 output"], undefined, ["1 0 started"], [], ["1 1 output"]]);
    expect(await readNews(db, [])).toEqual([]);
  });

  test("who may see one user's jobs only finds no others", async () => {
    const job = newJob();
    await insertNew(db, 1, job);
    expect(await news(job.id, BEGINNING, job.userId)).toBeDefined();
    expect(await news(job.id, BEGINNING, crypto.randomUUID())).toBeUndefined();
  });

  test("with a place that nobody gave waits, and sees the end", async () => {
    const { worker, jobs } = await working(db, 1);
    const nowhere = { attempt: 999_999_999, step: STEP.ended };
    expect(await news(jobs[0]!.id, nowhere)).toEqual({ steps: [], more: false, ended: false });
    await end(db, worker, jobs);
    expect(await news(jobs[0]!.id, nowhere)).toEqual({ steps: [], more: false, ended: true });
  });
});
