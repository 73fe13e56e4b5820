import { beforeEach, describe, expect, test } from "bun:test";
import { readNewJob, sentJob } from "../../src/http/new_job.ts";
import { parseJson } from "../../src/http/request_body.ts";
import { testDatabase } from "../support/database.ts";
import { blocks, clear, everything } from "../support/facts.ts";
import { A_NAME, insertedJobs, insertJobsBySql, LETTER, nested, refusal } from "../support/insert_by_sql.ts";
import { NO_KINDS } from "../support/kinds.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("insert_jobs", () => {
  test("inserts a list in its order, in blocks of jobs that wait together, of at most a hundred", async () => {
    const list = Array.from({ length: 250 }, (_, n) => ({
      ...LETTER,
      payload: n,
      priority: n % 5 === 0 ? 1 : 5,
    }));
    const answered = await insertJobsBySql(db.sql, list);
    expect(answered).toEqual(answered.toSorted());
    const jobs = await insertedJobs(db.sql);
    expect(jobs.map(({ id }) => id)).toEqual(answered);
    expect(jobs.map(({ payload }) => Number(payload))).toEqual(list.map(({ payload }) => payload));
    const made = await blocks(db);
    expect(made.map(({ priority, jobIds }) => [priority, jobIds.length]).toSorted()).toEqual([
      [1, 50],
      [5, 100],
      [5, 100],
    ]);
    expect(made.flatMap(({ jobIds }) => jobIds).toSorted()).toEqual(answered);
  });

  test("takes every argument by its name, and knows the same defaults", async () => {
    const all = {
      ...LETTER,
      id: "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77",
      queue: "post",
      priority: 1,
      scheduled_at: "2030-01-01T00:00:00.5+02:00",
      max_retries: 0,
      timeout_ms: 1_000,
      tags: ["b", "a"],
      metadata: { a: { b: [1] } },
    };
    const nothing = { ...LETTER, id: null, scheduled_at: null, timeout_ms: null };
    await insertJobsBySql(db.sql, [all, LETTER, nothing]);
    const plain = {
      queue: "default",
      priority: 5,
      max_attempts: 4,
      timeout_ms: null,
      tags: [],
      metadata: {},
    };
    expect(await insertedJobs(db.sql)).toMatchObject([
      {
        id: all.id,
        queue: "post",
        priority: 1,
        scheduled_at: new Date("2029-12-31T22:00:00.5Z"),
        max_attempts: 1,
        timeout_ms: 1_000,
        tags: ["b", "a"],
        metadata: { a: { b: [1] } },
        payload: '{"to":"a"}',
      },
      plain,
      plain,
    ]);
  });

  test.each([
    ["a text", "insert_jobs($1::text)"],
    ["json", "insert_jobs($1::text::json)"],
    ["jsonb", "insert_jobs($1::text::jsonb)"],
    [
      "what is made on the way",
      "insert_jobs((select json_agg(job) from json_array_elements($1::text::json) job))",
    ],
  ])("takes %s", async (_, sql) => {
    const rows = await db.sql.unsafe(`select * from jobsvc.${sql}`, [JSON.stringify([LETTER, LETTER])]);
    expect((await insertedJobs(db.sql)).map(({ id }) => id)).toEqual(rows.map((row) => row.insert_jobs));
    expect(rows).toHaveLength(2);
  });

  test("takes rows of a table", async () => {
    await db.sql`
      select jobsvc.insert_jobs(array_agg(job))
      from (
        select 'letter' as kind, json_build_object('to', name) as payload, ${LETTER.user_id}::uuid as user_id,
          ${LETTER.resource_id}::uuid as resource_id
        from unnest(array['a', 'b']) name
      ) job`;
    expect((await insertedJobs(db.sql)).map(({ payload }) => JSON.parse(payload))).toEqual([
      { to: "a" },
      { to: "b" },
    ]);
  });

  test("inserts nothing where the list is empty", async () => {
    expect(await insertJobsBySql(db.sql, [])).toEqual([]);
    expect(await everything(db)).toMatchObject({ jobs: null, ready: null });
  });

  test.each([
    ['{ "b" : 1e400, "a":12345678901234567890 }', '{ "b" : 1e400, "a":12345678901234567890 }'],
    ["[ 1,\n2 ]", "[ 1,\n2 ]"],
    ["null", "null"],
    ["false", "false"],
    ['"{\\"a\\": \\"\\\\u0000\\"}"', '{"a": "\\u0000"}'],
    ['" [1] "', " [1] "],
  ])("keeps the payload %s as it stands there", async (sent, kept) => {
    const { payload: _, ...others } = LETTER;
    await insertJobsBySql(db.sql, `[{"payload" : ${sent} ,${JSON.stringify(others).slice(1)}]`);
    expect(await insertedJobs(db.sql)).toMatchObject([{ payload: kept }]);
  });

  test.each([
    ["null", "jobs must be an array"],
    ["'{}'", "jobs must be an array"],
    ["'7'", "jobs must be an array"],
    ["'[{]'", "jobs must hold JSON"],
    ["''", "jobs must hold JSON"],
    ["repeat('[', 100000) || repeat(']', 100000)", "jobs nests too deeply"],
  ])("refuses %s", async (jobs, message) => {
    await expect(db.sql.unsafe(`select jobsvc.insert_jobs(${jobs})`)).rejects.toEqual(refusal(message));
  });

  /** What the HTTP door refuses as well, if its name for the argument is another. */
  const REFUSED: [member: string, value: unknown, message: string][] = [
    ["kind", 7, "kind must be of type string"],
    ["kind", null, "kind must be of type string"],
    ["kind", "a b", `kind ${A_NAME}`],
    ["kind", "a\0", "it is not valid: unsupported Unicode escape sequence"],
    ["kind", undefined, `kind ${A_NAME}`],
    ["payload", undefined, "payload is required"],
    ["payload", "{oops", "payload must hold JSON"],
    ["payload", JSON.parse(nested(65)), "payload must not nest deeper than 64 levels"],
    ["payload", "x".repeat(262_145), "payload must not be larger than 262144 bytes"],
    ["user_id", undefined, "user_id is required"],
    ["user_id", "42", 'user_id is not valid: invalid input syntax for type uuid: "42"'],
    ["user_id", 42, "user_id must be of type string"],
    ["resource_id", null, "resource_id must be of type string"],
    ["queue", "", `queue ${A_NAME}`],
    ["queue", null, "queue must be of type string"],
    ["priority", "5", "priority must be of type number"],
    ["priority", 1.5, "priority must be an integer from 1 to 9"],
    ["priority", null, "priority must be of type number"],
    ["max_retries", 1_001, "max_retries must be an integer from 0 to 1000"],
    ["max_retries", true, "max_retries must be of type number"],
    ["timeout_ms", 999, "timeout_ms must be an integer from 1000 to 86400000"],
    ["scheduled_at", 1_704_110_400_000, "scheduled_at must be of type string"],
    ...[
      "tomorrow",
      "",
      "2024-01-01",
      "2024-01-01T12:00:00",
      "2024-01-01 12:00:00Z",
      "2024-01-01T12:00Z",
      "infinity",
    ].map((time): [string, unknown, string] => [
      "scheduled_at",
      time,
      "scheduled_at must be a date and time with a zone, such as 2024-01-01T12:00:00Z",
    ]),
    [
      "scheduled_at",
      "2024-02-30T12:00:00Z",
      'scheduled_at is not valid: date/time field value out of range: "2024-02-30T12:00:00Z"',
    ],
    ["scheduled_at", "9999-01-01T12:00:00Z", "scheduled_at must be in the years 1970 to 2199"],
    ["tags", "a", "tags must be of type array"],
    ["tags", ["a", 1], "tags must be texts"],
    ["tags", ["a", null], "tags must be texts"],
    ["tags", ["a", ["b"]], "tags must be texts"],
    ["tags", ["a", ""], "tags must be texts of 1 to 64 characters"],
    ["tags", Array(21).fill("a"), "tags must be a list of at most 20"],
    ["metadata", [], "metadata must be of type object"],
    [
      "metadata",
      { n: 1e30 },
      "metadata must have only numbers that every reader of JSON can hold; send others as texts",
    ],
    ["nonsense", 1, "nonsense is not an argument"],
    ["n".repeat(400_000), 1, `${"n".repeat(64)} is not an argument`],
    ["__proto", {}, "__proto is not an argument"],
  ];

  test.each(REFUSED)(
    "refuses %s: %j, as the door does, and with it the whole list",
    async (member, value, message) => {
      const job = { ...LETTER, [member]: value };
      await expect(insertJobsBySql(db.sql, [LETTER, job, LETTER])).rejects.toEqual(
        refusal(`job 1: ${message}`),
      );
      expect(await everything(db)).toMatchObject({ jobs: null, ready: null });
      const { kind, ...body } = job;
      const text = JSON.stringify({ ...body, resource_type: kind });
      expect(() => readNewJob(sentJob(parseJson(text)), NO_KINDS)).toThrow();
    },
  );

  test("refuses an id that it could not have made, which the door does not take at all", async () => {
    const message = "job 0: id must be a uuid of version 7, as jobsvc.uuid_v7() makes them";
    await expect(insertJobsBySql(db.sql, [{ ...LETTER, id: LETTER.user_id }])).rejects.toEqual(
      refusal(message),
    );
    await expect(insertJobsBySql(db.sql, [{ ...LETTER, id: 7 }])).rejects.toEqual(
      refusal("job 0: id must be of type string"),
    );
  });

  test("refuses what is no job, and an escape that Postgres does not read", async () => {
    await expect(insertJobsBySql(db.sql, [LETTER, 7])).rejects.toEqual(refusal("job 1 must be an object"));
    await expect(insertJobsBySql(db.sql, [{ ...LETTER, payload: { a: "\0" } }])).rejects.toEqual(
      refusal("job 0: it is not valid: unsupported Unicode escape sequence"),
    );
  });
});
