import { beforeEach, describe, expect, test } from "bun:test";
import { readNewJob, sentJob } from "../../src/http/new_job.ts";
import { parseJson } from "../../src/http/request_body.ts";
import { testDatabase } from "../support/database.ts";
import { blocks, clear, databaseNow, everything, stateOf } from "../support/facts.ts";
import {
  A_NAME,
  insertedJobs,
  insertJobBySql,
  insertJobCall,
  insertJobsBySql,
  LETTER,
  nested,
  refusal,
  UUID_V7,
} from "../support/insert_by_sql.ts";
import { NO_KINDS } from "../support/kinds.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("insert_job", () => {
  test("inserts a job with the defaults of the HTTP door, which waits in a block of its own", async () => {
    const before = await databaseNow(db);
    const id = await insertJobBySql(db.sql);
    expect(id).toMatch(UUID_V7);
    const [job, ...others] = await insertedJobs(db.sql);
    expect(others).toEqual([]);
    const body = {
      user_id: LETTER.user_id,
      resource_type: "letter",
      resource_id: LETTER.resource_id,
      payload: '{"to": "a"}',
    };
    const atTheDoor = readNewJob(sentJob(parseJson(JSON.stringify(body))), NO_KINDS);
    expect(job).toMatchObject({
      id,
      kind: atTheDoor.kind,
      queue: atTheDoor.queue,
      priority: atTheDoor.priority,
      user_id: atTheDoor.userId,
      resource_id: atTheDoor.resourceId,
      payload: atTheDoor.payload,
      max_attempts: atTheDoor.maxAttempts,
      scheduled_at: atTheDoor.scheduledAt,
      timeout_ms: atTheDoor.timeoutMs,
      tags: atTheDoor.tags,
      metadata: atTheDoor.metadata,
    });
    expect(job!.created_at.getTime()).toBeWithin(before.getTime(), (await databaseNow(db)).getTime() + 1);
    expect(await blocks(db)).toMatchObject([
      { queue: "default", kind: "letter", priority: 5, attempt: 1, failures: 0, losses: 0, jobIds: [id] },
    ]);
    expect(await stateOf(db, id)).toBe("available");
  });

  test("takes its arguments by place, too", async () => {
    const [row] = await db.sql`
      select jobsvc.insert_job('letter', '{}', ${LETTER.user_id}, ${LETTER.resource_id}, 'post', 2, '2199-12-31 23:59:59Z', 0, 1000, '{a}',
        '{"b": 1}', '0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77') as id`;
    expect(await insertedJobs(db.sql)).toMatchObject([
      {
        id: row!.id,
        queue: "post",
        priority: 2,
        scheduled_at: new Date("2199-12-31T23:59:59Z"),
        max_attempts: 1,
        timeout_ms: 1_000,
        tags: ["a"],
        metadata: { b: 1 },
      },
    ]);
    expect(row!.id).toBe("0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77");
    expect(await stateOf(db, row!.id)).toBe("scheduled");
  });

  const ACCEPTED: [argument: string, value: string, column: string, kept: unknown][] = [
    ["kind", "'A.b_c:d-9'", "kind", "A.b_c:d-9"],
    ["kind", "repeat('k', 64)", "kind", "k".repeat(64)],
    ["queue", "repeat('q', 64)", "queue", "q".repeat(64)],
    ["user_id", "'ABCDEF00-0000-0000-0000-000000000000'", "user_id", "abcdef00-0000-0000-0000-000000000000"],
    ["priority", "1", "priority", 1],
    ["priority", "9::smallint", "priority", 9],
    ["priority", "9::bigint", "priority", 9],
    ["max_retries", "0", "max_attempts", 1],
    ["max_retries", "1000", "max_attempts", 1_001],
    ["timeout_ms", "1000", "timeout_ms", 1_000],
    ["timeout_ms", "86400000", "timeout_ms", 86_400_000],
    ["timeout_ms", "null", "timeout_ms", null],
    ["scheduled_at", "null", "scheduled_at", null],
    ["scheduled_at", "'1970-01-01T00:00:00Z'", "scheduled_at", new Date(0)],
    ["scheduled_at", "'2024-01-01 12:00+05:30'", "scheduled_at", new Date("2024-01-01T06:30:00Z")],
    ["tags", "array_fill(repeat('t', 64), array[20])", "tags", Array(20).fill("t".repeat(64))],
    ["tags", "array['new\nline', '👩‍🚀']", "tags", ["new\nline", "👩‍🚀"]],
    ["metadata", `'{"a": [1, {"b": null}], "": 0.1}'`, "metadata", { a: [1, { b: null }], "": 0.1 }],
    ["metadata", `'{"n": 9007199254740991}'`, "metadata", { n: Number.MAX_SAFE_INTEGER }],
    ["metadata", "jsonb_build_object('a', repeat('x', 16375))", "metadata", { a: "x".repeat(16_375) }],
    [
      "metadata",
      `('{"a": ' || repeat('[', 63) || repeat(']', 63) || '}')::jsonb`,
      "metadata",
      { a: JSON.parse(nested(63)) },
    ],
    // As a text it is kept as it was written, and what is no text becomes one.
    [
      "payload",
      `' {"b": 1e400, "a":12345678901234567890, "a" : "\\u0000\\ud800"} '`,
      "payload",
      ' {"b": 1e400, "a":12345678901234567890, "a" : "\\u0000\\ud800"} ',
    ],
    ["payload", "'null'", "payload", "null"],
    ["payload", "'{}'::varchar", "payload", "{}"],
    ["payload", `'{ "a" :1}'::json`, "payload", '{ "a" :1}'],
    ["payload", `'{ "a" :1}'::jsonb`, "payload", '{"a": 1}'],
    ["payload", "json_build_object('a', 1)", "payload", '{"a" : 1}'],
    ["payload", "7", "payload", "7"],
    ["payload", "array['a', 'b']", "payload", '["a","b"]'],
    ["payload", "(select point from (values (1, 'b')) point (x, name))", "payload", '{"x":1,"name":"b"}'],
    ["payload", `'"' || repeat('x', 262142) || '"'`, "payload", `"${"x".repeat(262_142)}"`],
    ["payload", `'"' || repeat('\\"[', 1000) || '"'`, "payload", `"${'\\"['.repeat(1_000)}"`],
    ["payload", "repeat('[', 64) || repeat(']', 64)", "payload", nested(64)],
  ];

  test.each(ACCEPTED)("accepts %s => %s", async (argument, value, column, kept) => {
    const id = await insertJobBySql(db.sql, { [argument]: value });
    const [job] = await insertedJobs(db.sql);
    expect(job).toMatchObject({ id, [column]: kept });
    expect((await blocks(db)).map(({ jobIds }) => jobIds)).toEqual([[id]]);
  });

  const REFUSED: [argument: string, value: string, message: string][] = [
    ["kind", "null", `kind ${A_NAME}`],
    ["kind", "''", `kind ${A_NAME}`],
    ["kind", "'a b'", `kind ${A_NAME}`],
    ["kind", "'-a'", `kind ${A_NAME}`],
    ["kind", "E'a\\n'", `kind ${A_NAME}`],
    ["kind", "repeat('k', 65)", `kind ${A_NAME}`],
    ["queue", "null", `queue ${A_NAME}`],
    ["queue", "'äther'", `queue ${A_NAME}`],
    ["user_id", "null", "user_id is required"],
    ["resource_id", "null", "resource_id is required"],
    ["payload", "null", "payload is required"],
    ["payload", "null::jsonb", "payload is required"],
    ["payload", "''", "payload must hold JSON"],
    ["payload", "'hello'", "payload must hold JSON"],
    ["payload", "'{}{}'", "payload must hold JSON"],
    ["payload", "repeat('[', 60)", "payload must hold JSON"],
    ["payload", "repeat('[', 65) || repeat(']', 65)", "payload must not nest deeper than 64 levels"],
    [
      "payload",
      `repeat('{"a":', 65) || '1' || repeat('}', 65)`,
      "payload must not nest deeper than 64 levels",
    ],
    [
      "payload",
      `'[[],' || repeat('[', 64) || '"]"' || repeat(']', 65)`,
      "payload must not nest deeper than 64 levels",
    ],
    ["payload", "repeat('[', 131000) || repeat(']', 131000)", "payload must not nest deeper than 64 levels"],
    ["payload", `'"' || repeat('x', 262143) || '"'`, "payload must not be larger than 262144 bytes"],
    ["payload", `'"' || repeat('é', 131072) || '"'`, "payload must not be larger than 262144 bytes"],
    ["priority", "0", "priority must be an integer from 1 to 9"],
    ["priority", "10", "priority must be an integer from 1 to 9"],
    ["priority", "1.5", "priority must be an integer from 1 to 9"],
    ["priority", "'NaN'", "priority must be an integer from 1 to 9"],
    ["priority", "99999999999999999999", "priority must be an integer from 1 to 9"],
    ["priority", "null", "priority must be an integer from 1 to 9"],
    ["max_retries", "-1", "max_retries must be an integer from 0 to 1000"],
    ["max_retries", "1001", "max_retries must be an integer from 0 to 1000"],
    ["max_retries", "0.1", "max_retries must be an integer from 0 to 1000"],
    ["max_retries", "null", "max_retries must be an integer from 0 to 1000"],
    ["timeout_ms", "999", "timeout_ms must be an integer from 1000 to 86400000"],
    ["timeout_ms", "86400001", "timeout_ms must be an integer from 1000 to 86400000"],
    ["timeout_ms", "1000.5", "timeout_ms must be an integer from 1000 to 86400000"],
    ["scheduled_at", "'1969-12-31T23:59:59Z'", "scheduled_at must be in the years 1970 to 2199"],
    ["scheduled_at", "'2200-01-01T00:00:00Z'", "scheduled_at must be in the years 1970 to 2199"],
    ["scheduled_at", "'infinity'", "scheduled_at must be in the years 1970 to 2199"],
    ["tags", "null", "tags must be a list of at most 20"],
    ["tags", "array_fill('a'::text, array[21])", "tags must be a list of at most 20"],
    ["tags", "array[array['a', 'b'], array['c', 'd']]", "tags must be a list of at most 20"],
    ["tags", "array['a', '']", "tags must be texts of 1 to 64 characters"],
    ["tags", "array['a', null]", "tags must be texts of 1 to 64 characters"],
    ["tags", "array[repeat('t', 65)]", "tags must be texts of 1 to 64 characters"],
    ["metadata", "null", "metadata must be an object"],
    ["metadata", "'[]'", "metadata must be an object"],
    ["metadata", "'null'", "metadata must be an object"],
    [
      "metadata",
      "jsonb_build_object('a', repeat('x', 16384))",
      "metadata must not be larger than 16384 bytes",
    ],
    [
      "metadata",
      `('{"a": ' || repeat('[', 64) || repeat(']', 64) || '}')::jsonb`,
      "metadata must not nest deeper than 64 levels",
    ],
    [
      "metadata",
      `('{"a": ' || repeat('[', 90) || '1' || repeat(']', 90) || '}')::jsonb`,
      "metadata must not nest deeper than 64 levels",
    ],
    ...["1e30", "1e400", "-9007199254740992", "[[[9007199254740992]]]"].map(
      (number): [string, string, string] => [
        "metadata",
        `'{"n": {"m": ${number}}}'`,
        "metadata must have only numbers that every reader of JSON can hold; send others as texts",
      ],
    ),
    ...[
      "'123e4567-e89b-12d3-a456-426614174000'",
      "gen_random_uuid()",
      "'0198c8e2-5f3a-7c41-0d0b-2f6f3b1f4a77'",
    ].map((id): [string, string, string] => [
      "id",
      id,
      "id must be a uuid of version 7, as jobsvc.uuid_v7() makes them",
    ]),
  ];

  test.each(REFUSED)("refuses %s => %s", async (argument, value, message) => {
    await expect(insertJobBySql(db.sql, { [argument]: value })).rejects.toEqual(refusal(message));
    expect(await everything(db)).toMatchObject({ jobs: null, ready: null });
  });

  test("refuses what is no uuid, no time and no list in the words of Postgres", async () => {
    for (const argument of ["user_id", "resource_id", "id", "scheduled_at", "tags", "metadata"])
      await expect(insertJobBySql(db.sql, { [argument]: "'garbage'" })).rejects.toMatchObject({
        code: expect.stringMatching(/^22/),
      });
    await expect(insertJobBySql(db.sql, { nonsense: "1" })).rejects.toMatchObject({ code: "42883" });
  });
});

describe("an id of one's own", () => {
  test("is the job's id, and a second call with it changes nothing", async () => {
    const [made] = await db.sql`select jobsvc.uuid_v7() as id`;
    const id = `'${made!.id}'`;
    expect(await insertJobBySql(db.sql, { id })).toBe(made!.id);
    const before = await everything(db);
    expect(await insertJobBySql(db.sql, { id, payload: "'\"other\"'", priority: "1" })).toBe(made!.id);
    expect(
      await insertJobsBySql(db.sql, [
        { ...LETTER, id: made!.id },
        { ...LETTER, id: made!.id },
      ]),
    ).toEqual([made!.id, made!.id]);
    expect(await everything(db)).toEqual(before);
  });

  test("that comes twice in a list is one job", async () => {
    const id = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";
    const answered = await insertJobsBySql(db.sql, [{ ...LETTER, id }, LETTER, { ...LETTER, id }]);
    expect(answered).toEqual([id, expect.stringMatching(UUID_V7), id]);
    expect((await blocks(db)).flatMap(({ jobIds }) => jobIds)).toEqual([id, answered[1]!]);
  });
});

describe("uuid_v7", () => {
  test("carries the time to the microsecond, and sorts by it", async () => {
    const rows = await db.sql`
      select jobsvc.uuid_v7(timestamptz '2026-11-25 09:00:00.999000Z' + n * interval '1 microsecond') as id
      from generate_series(0, 1999) n`;
    const made = rows.map(({ id }) => id);
    expect(made).toEqual(made.toSorted());
    expect(new Set(made).size).toBe(2_000);
    for (const id of made) expect(id).toMatch(UUID_V7);
    const ms = (id: string) => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
    expect(ms(made[0])).toBe(Date.parse("2026-11-25T09:00:00.999Z"));
    expect(ms(made[1_000])).toBe(Date.parse("2026-11-25T09:00:01.000Z"));
  });
});

describe("an application with a role of its own", () => {
  const role = `shop_${crypto.randomUUID().slice(0, 8)}`;

  /** Does it as the role, in a transaction that leaves nothing behind. */
  async function asShop(grants: string, sql: string): Promise<unknown> {
    let answer: unknown;
    await db.sql
      .begin(async (tx) => {
        await tx.unsafe(`create role ${role}; ${grants}; set local role ${role}`);
        answer = await tx.unsafe(sql).catch((error) => error);
        throw new Error("nothing is to be left behind");
      })
      .catch(() => undefined);
    return answer;
  }

  const GRANTS = `grant usage on schema jobsvc to ${role}; grant execute on all functions in schema jobsvc to ${role}`;

  test("needs two grants, and then inserts", async () => {
    expect(await asShop(GRANTS, `select ${insertJobCall()} as id`)).toMatchObject([
      { id: expect.stringMatching(UUID_V7) },
    ]);
    expect(await asShop(GRANTS, `select ${insertJobCall({ payload: "'{}'::jsonb" })} as id`)).toHaveLength(1);
    expect(await asShop(GRANTS, "select * from jobsvc.insert_jobs('[]')")).toEqual([]);
  });

  test("may not insert because it may look into the schema", async () => {
    const usage = `grant usage on schema jobsvc to ${role}`;
    for (const sql of [
      insertJobCall(),
      insertJobCall({ payload: "'{}'::jsonb" }),
      "jobsvc.insert_jobs('[]')",
      "jobsvc.insert_jobs('[]'::json)",
    ])
      expect(await asShop(usage, `select ${sql}`)).toMatchObject({ code: "42501" });
  });

  test("sees no table, and gets no job past the checks", async () => {
    const unchecked = `select jobsvc.insert_checked(array[null::jobsvc.new_job])`;
    for (const sql of ["select * from jobsvc.jobs", "delete from jobsvc.ready", unchecked])
      expect(await asShop(GRANTS, sql)).toMatchObject({ code: "42501" });
  });

  test("cannot lead the functions astray by things of the same names", async () => {
    const [path] = [`create schema evil authorization ${role}; set local search_path = evil, pg_catalog`];
    const evil = `
      create function evil.octet_length(text) returns int language sql as 'select 1/0';
      create function evil.array_agg(uuid) returns uuid[] language sql as 'select null::uuid[]';
      create temp table jobs (id uuid);
      select ${insertJobCall()} as id`;
    const answers = await asShop(`${GRANTS}; ${path}`, evil);
    expect((answers as unknown[]).at(-1)).toMatchObject([{ id: expect.stringMatching(UUID_V7) }]);
    const open = await db.sql`
      select proname from pg_proc where pronamespace = 'jobsvc'::regnamespace and prosecdef and proconfig is null`;
    expect(open.map(({ proname }) => proname)).toEqual([]);
  });

  test("could be granted every function of the schema, for only those that check have rights of their own", async () => {
    const rows = await db.sql`
      select distinct proname from pg_proc where pronamespace = 'jobsvc'::regnamespace and prosecdef order by 1`;
    expect(rows.map(({ proname }) => proname)).toEqual(["insert_job", "insert_jobs"]);
  });
});
