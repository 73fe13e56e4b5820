import { beforeAll, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { firstIdAt } from "../../src/job/id.ts";
import { isFinal, JOB_STATES, type JobState } from "../../src/job/states.ts";
import { type JobFilter, type ListedJob, listJobs } from "../../src/queue/list.ts";
import { BIG_USER, SMALL_USER, writeHistory } from "../bench/history.ts";
import { testDatabase } from "../support/database.ts";
import { ids } from "../support/facts.ts";

const db = await testDatabase();

/** Several windows of the search, and a tag that is too common to be looked up. */
const JOBS = 8_000;

interface Known {
  id: string;
  kind: string;
  queue: string;
  userId: string;
  tags: string[];
  createdAt: Date;
  state: JobState;
}

/** Every job, the newest first, in the state that the view tells. */
let known: Known[];

beforeAll(async () => {
  await writeHistory(db.sql, JOBS);
  known = await db.sql<Known[]>`
    select jobs.id, kind, queue, user_id as "userId", to_json(tags) as tags, created_at as "createdAt", state
    from jobsvc.jobs join jobsvc.job_states using (id) order by id desc`;
});

function expected({ state, ended, kind, queue, userId, tag, createdAfter, createdBefore }: JobFilter) {
  return known.filter(
    (job) =>
      (state === undefined || job.state === state) &&
      (ended === undefined || isFinal(job.state) === ended) &&
      (kind === undefined || job.kind === kind) &&
      (queue === undefined || job.queue === queue) &&
      (userId === undefined || job.userId === userId) &&
      (tag === undefined || job.tags.includes(tag)) &&
      (createdAfter === undefined || job.createdAt >= createdAfter) &&
      (createdBefore === undefined || job.createdAt < createdBefore),
  );
}

/** All pages, one after the other. */
async function walk(filter: JobFilter, limit: number, from: Database = db): Promise<ListedJob[]> {
  const found: ListedJob[] = [];
  for (let before: string | undefined; ; ) {
    const page = await listJobs(from, filter, { limit, before });
    expect(page.jobs.length).toBeLessThanOrEqual(limit);
    found.push(...page.jobs);
    if (page.next === null) return found;
    before = page.next;
  }
}

const HOUR_MS = 60 * 60 * 1000;
const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS);

/** What can be asked of each thing; the first of each is nothing. */
const ASKED: { [Name in keyof JobFilter]-?: readonly JobFilter[Name][] } = {
  state: [undefined, ...JOB_STATES],
  ended: [undefined, true, false],
  kind: [undefined, "ai_agent", "report", "nothing"],
  queue: [undefined, "mail", "nightly"],
  userId: [undefined, BIG_USER, SMALL_USER, BIG_USER.toUpperCase()],
  tag: [undefined, "web", "vip", "incident-42", 'nothing"}'],
  createdAfter: [undefined, ago(30), ago(-1)],
  createdBefore: [undefined, ago(100), ago(20)],
};

const asked = Object.entries(ASKED).flatMap(([name, values]) =>
  values.slice(1).map((value): JobFilter => ({ [name]: value })),
);

describe("a list", () => {
  test("of everything is all jobs, the newest first, each as it is", async () => {
    expect(new Set(known.map((job) => job.state))).toEqual(new Set(JOB_STATES));
    const found = await walk({}, 333);
    expect(ids(found)).toEqual(ids(known));
    expect(found.map(({ id, state }) => ({ id, state }))).toEqual(
      known.map(({ id, state }) => ({ id, state })),
    );
  });

  test.each(asked)("by one thing: %j", async (filter) => {
    const upper = filter.userId === undefined ? {} : { userId: filter.userId.toLowerCase() };
    expect(ids(await walk(filter, 97))).toEqual(ids(expected({ ...filter, ...upper })));
  });

  test("by any two things", async () => {
    for (const [place, one] of asked.entries()) {
      for (const other of asked.slice(place + 1)) {
        const filter = { ...one, ...other };
        if (Object.keys(filter).length < 2 || filter.userId === BIG_USER.toUpperCase()) continue;
        expect({ filter, found: ids(await walk(filter, 200)) }).toEqual({
          filter,
          found: ids(expected(filter)),
        });
      }
    }
  });

  test("by everything at once", async () => {
    const job = known.find(({ state, tags }) => state === "failed" && tags.includes("web"))!;
    const filter: JobFilter = {
      state: "failed",
      ended: true,
      kind: job.kind,
      queue: job.queue,
      userId: job.userId,
      tag: "web",
      createdAfter: job.createdAt,
      createdBefore: new Date(job.createdAt.getTime() + 1),
    };
    expect(ids(await walk(filter, 50))).toEqual([job.id]);
    expect(await walk({ ...filter, createdAfter: filter.createdBefore! }, 50)).toEqual([]);
  });

  test.each([1, 2, 50, 200])("of %d jobs fits on a page of as many, which is the last", async (jobs) => {
    const mine = expected({ userId: BIG_USER }).slice(0, jobs);
    const filter: JobFilter = { userId: BIG_USER, createdAfter: mine.at(-1)!.createdAt };
    const page = await listJobs(db, filter, { limit: jobs });
    expect(ids(page.jobs)).toEqual(ids(mine));
    expect(page.next).toBeNull();
    const shorter = await listJobs(db, filter, { limit: jobs + 1 });
    expect(shorter).toEqual(page);
  });

  test("says where to go on when a page is full and there is one more", async () => {
    const mine = expected({ userId: BIG_USER });
    const page = await listJobs(db, { userId: BIG_USER }, { limit: mine.length - 1 });
    expect(page.next).toBe(mine.at(-2)!.id);
    const last = await listJobs(db, { userId: BIG_USER }, { limit: 1, before: page.next! });
    expect(last).toMatchObject({ jobs: [{ id: mine.at(-1)!.id }], next: null });
  });

  test("begins anywhere, also at a job that is not there", async () => {
    const middle = known[4_000]!;
    const page = await listJobs(db, {}, { limit: 3, before: middle.id });
    expect(ids(page.jobs)).toEqual(ids(known.slice(4_001, 4_004)));
    const before = firstIdAt(new Date(middle.createdAt.getTime() + 1));
    expect(ids((await listJobs(db, {}, { limit: 1, before })).jobs)).toEqual([middle.id]);
    expect(await listJobs(db, {}, { limit: 3, before: firstIdAt(new Date(0)) })).toEqual({
      jobs: [],
      next: null,
    });
  });

  test("that has to search far answers what it has, and where to go on", async () => {
    const slow: Database = {
      ...db,
      async run(statement) {
        await Bun.sleep(30); // a busy database
        return await db.run(statement);
      },
    };
    const filter: JobFilter = { kind: "report" };
    const [oldest] = expected(filter);
    expect(known.length - known.indexOf(oldest!)).toBeLessThan(2_000);
    const page = await listJobs(slow, filter, { limit: 10 });
    expect(page).toEqual({ jobs: [], next: known[1_999]!.id });
    expect(ids(await walk(filter, 10, slow))).toEqual([oldest!.id]);
  });
});
