import { beforeEach, describe, expect, test } from "bun:test";
import { insertJobs } from "../../src/queue/insert.ts";
import { overConnection, testDatabase } from "../support/database.ts";
import { newJob } from "../support/factory.ts";
import { blocked, blocks, clear, databaseNow, everything, ids, stateOf } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const many = (count: number, changes = {}) => Array.from({ length: count }, () => newJob(changes));

/** Texts that have broken one program or another on their way into a database. */
const NAUGHTY = [
  "",
  " ",
  "null",
  "NULL",
  "{}",
  "{,}",
  'a"b',
  "a\\b",
  "\\",
  '\\"',
  "'; drop table jobsvc.jobs; --",
  "a,b",
  "line\nbreak\ttab\r",
  "NaN",
  "\u{1F469}\u{200D}\u{1F680}",
  "e\u0301",
  "\u202Ereversed",
  "\uFFFD\uFEFF",
  "$1 $$ %s",
  "__proto__",
];

describe("insert", () => {
  test("answers the ids it inserted, and makes one block of jobs that wait together, in their order", async () => {
    const jobs = many(3);
    expect(await insertJobs(db, jobs)).toEqual(ids(jobs));
    expect(await blocks(db)).toMatchObject([
      {
        queue: "default",
        kind: "ai_agent",
        priority: 5,
        attempt: 1,
        failures: 0,
        losses: 0,
        jobIds: ids(jobs),
      },
    ]);
  });

  test("inserts nothing when there is nothing to insert", async () => {
    expect(await insertJobs(db, [])).toEqual([]);
    expect(await blocks(db)).toEqual([]);
  });

  test("shows a job and its place in ready at once, not one before the other", async () => {
    const [job] = many(1);
    await db.sql.begin(async (sql) => {
      await insertJobs(overConnection(db, sql), [job!]);
      expect(await stateOf(db, job!.id)).toBeUndefined();
      expect(await blocks(db)).toEqual([]);
    });
    expect(await stateOf(db, job!.id)).toBe("available");
    expect(await blocks(db)).toHaveLength(1);
  });

  test("makes blocks of at most a hundred, with every id once and in order", async () => {
    const jobs = many(250);
    await insertJobs(db, jobs);
    const made = await blocks(db);
    expect(made.map((block) => block.jobIds.length)).toEqual([100, 100, 50]);
    expect(made.flatMap((block) => block.jobIds)).toEqual(ids(jobs));
  });

  test("keeps jobs apart that differ in queue, kind, priority or due time", async () => {
    const soon = new Date(Date.now() + 60_000);
    const lanes = [
      {},
      { queue: "mail" },
      { kind: "client_agent" },
      { priority: 1 },
      { scheduledAt: soon },
      { scheduledAt: new Date(soon.getTime() + 1) },
    ];
    const groups = lanes.map((lane) => many(3, lane));
    // Shuffled together, as a caller would send them.
    await insertJobs(
      db,
      [0, 1, 2].flatMap((n) => groups.map((group) => group[n]!)),
    );
    const made = await blocks(db);
    expect(made.map((block) => block.jobIds).toSorted()).toEqual(groups.map(ids).toSorted());
    expect(made).toContainEqual(expect.objectContaining({ queue: "mail", kind: "ai_agent", priority: 5 }));
    expect(made.at(-2)!.runAt).toEqual(soon);
  });

  test("makes blocks by the order of ids, in whatever order the jobs came", async () => {
    const jobs = many(150);
    await insertJobs(db, jobs.toReversed());
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual(ids(jobs));
  });

  test("cuts each group into blocks by itself", async () => {
    await insertJobs(db, [...many(101), ...many(101, { priority: 2 })]);
    const sizes = (await blocks(db)).map((block) => [block.priority, block.jobIds.length]);
    expect(sizes.toSorted()).toEqual(
      [
        [2, 1],
        [2, 100],
        [5, 1],
        [5, 100],
      ].toSorted(),
    );
  });

  test("makes a job of last year due now, and keeps the time that was asked for", async () => {
    const lastYear = new Date("2024-01-01T12:00:00Z");
    const before = await databaseNow(db);
    const [past, plain, future] = [
      newJob({ scheduledAt: lastYear }),
      newJob(),
      newJob({ scheduledAt: new Date(Date.now() + 3_600_000) }),
    ];
    await insertJobs(db, [past, plain, future]);
    const [due, later] = await blocks(db);
    expect(due!.jobIds).toEqual(ids([past, plain]));
    expect(due!.runAt.getTime()).toBeGreaterThanOrEqual(before.getTime());
    expect(due!.runAt.getTime()).toBeLessThanOrEqual((await databaseNow(db)).getTime());
    expect(later!.runAt).toEqual(future.scheduledAt!);
    const kept = await db.sql`select scheduled_at from jobsvc.jobs order by id`;
    expect(kept.map((job) => job.scheduled_at)).toEqual([lastYear, null, future.scheduledAt]);
  });

  test("keeps every text to the byte", async () => {
    const jobs = NAUGHTY.map((text) =>
      newJob({
        queue: text,
        kind: text,
        payload: JSON.stringify({ text }),
        tags: [text, ...NAUGHTY],
        metadata: { [text]: text },
      }),
    );
    await insertJobs(db, jobs);
    const kept = await db.sql`
      select id, queue, kind, payload::text as payload, to_json(tags) as tags, metadata from jobsvc.jobs order by id`;
    expect(kept.map((row) => ({ ...row }))).toEqual(
      jobs.map(({ id, queue, kind, payload, tags, metadata }) => ({
        id,
        queue,
        kind,
        payload,
        tags,
        metadata,
      })),
    );
    expect((await blocks(db)).map((block) => block.queue).toSorted()).toEqual(NAUGHTY.toSorted());
  });

  test("keeps a payload as it was written, not as somebody would write it again", async () => {
    const payload = ' {"b": 1e400, "a":12345678901234567890123, "a" : 1.0,\n"s":"\\u0041\\u0000\\ud800"} ';
    await insertJobs(db, [newJob({ payload })]);
    const [job] = await db.sql`select payload::text as payload from jobsvc.jobs`;
    expect(job!.payload).toBe(payload);
  });

  test.each([
    ["a priority out of range", { priority: 0 }],
    ["a payload that is not JSON", { payload: "{oops" }],
    ["an empty payload", { payload: "" }],
    ["payloads for two", { payload: "1\u00012" }],
    ["a control character for a payload", { payload: "\u0001" }],
    ["no attempts at all", { maxAttempts: 0 }],
    ["an id that is none", { id: "42" }],
    ["a NUL in a text", { queue: "a\u0000b" }],
    ["a number too large for its column", { timeoutMs: 2 ** 31 }],
    ["a day that does not exist", { scheduledAt: new Date(Number.NaN) }],
  ])("refuses everything when one job has %s", async (_, bad) => {
    await expect(insertJobs(db, [newJob(), newJob(bad), newJob()])).rejects.toThrow();
    expect(await everything(db)).toMatchObject({ jobs: null, ready: null });
  });

  test("changes nothing when it is repeated, and says so", async () => {
    const jobs = many(5);
    await insertJobs(db, jobs);
    const before = await everything(db);
    expect(await insertJobs(db, jobs)).toEqual([]);
    expect(await everything(db)).toEqual(before);
  });

  test("lets only the new ones wait when some are there already", async () => {
    const [old, fresh] = [many(2), many(2)];
    await insertJobs(db, old);
    expect(await insertJobs(db, [fresh[0]!, ...old, fresh[1]!])).toEqual(ids(fresh));
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([ids(old), ids(fresh)]);
  });

  test("leaves the job of an id alone that comes again with other contents", async () => {
    const job = newJob({ payload: '"first"' });
    await insertJobs(db, [job, { ...job, payload: '"second"' }]);
    await insertJobs(db, [{ ...job, payload: '"third"', priority: 1 }]);
    const kept = await db.sql`select payload::text as payload, priority from jobsvc.jobs`;
    expect({ ...kept[0] }).toEqual({ payload: '"first"', priority: 5 });
    expect((await blocks(db)).map((block) => block.jobIds)).toEqual([[job.id]]);
  });

  test("inserts each job once when two callers repeat the same ones at the same time", async () => {
    const jobs = many(50);
    let second: Promise<string[]> | undefined;
    await db.sql.begin(async (sql) => {
      expect(await insertJobs(overConnection(db, sql), jobs)).toHaveLength(50);
      second = insertJobs(db, jobs);
      await blocked(db);
    });
    expect(await second!).toEqual([]);
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual(ids(jobs));
  });
});
