import { afterAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { generateDrizzleJson } from "drizzle-kit/api";
import { is } from "drizzle-orm";
import { PgTable } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import * as accessSchema from "../../src/db/access_schema.ts";
import * as agentsSchema from "../../src/db/agents_schema.ts";
import { openSingle } from "../../src/db/connect.ts";
import { MIGRATIONS } from "../../src/db/migrations.ts";
import * as jobSchema from "../../src/db/schema.ts";
import * as workersSchema from "../../src/db/workers_schema.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();
const schema = { ...jobSchema, ...workersSchema, ...accessSchema, ...agentsSchema };
const tables = Object.entries<unknown>(schema).filter((entry): entry is [string, PgTable] =>
  is(entry[1], PgTable),
);

const FOLDER = join(import.meta.dir, "../../drizzle");
const read = (...path: string[]) => Bun.file(join(FOLDER, ...path));

describe("the migrations", () => {
  test("are the files of the journal, in its order and word for word", async () => {
    const { entries } = (await read("meta/_journal.json").json()) as {
      entries: { idx: number; tag: string }[];
    };
    const tags = MIGRATIONS.map(({ number, name }) => `${String(number).padStart(4, "0")}_${name}`);
    expect(tags).toEqual(entries.map(({ tag }) => tag));
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(entries.map(({ idx }) => idx));
    expect((await readdir(FOLDER)).filter((file) => file.endsWith(".sql")).toSorted()).toEqual(
      tags.map((tag) => `${tag}.sql`),
    );
    for (const [n, tag] of tags.entries()) expect(MIGRATIONS[n]!.sql).toBe(await read(`${tag}.sql`).text());
  });

  test("contain every change of the schema that was written down", async () => {
    const last = String(MIGRATIONS.at(-1)!.number).padStart(4, "0");
    const written = (await read("meta", `${last}_snapshot.json`).json()) as { tables: unknown };
    expect(generateDrizzleJson(schema).tables as unknown).toEqual(written.tables);
  });
});

describe("the schema", () => {
  const client = openSingle(db.address, "jobsvc test");
  afterAll(() => client.end({ timeout: 5 }));

  test.each(tables)("can select every column that it claims of %s", async (_, table) => {
    expect(await drizzle(client).select().from(table)).toEqual([]);
  });

  test("claims every table that there is", async () => {
    const made = await db.sql`
      select table_name as name, count(*)::int as columns from information_schema.columns
      where table_schema = 'jobsvc' and table_name in (select tablename from pg_tables where schemaname = 'jobsvc')
      group by table_name order by table_name`;
    expect(made.map(({ name }) => name).filter((name) => name !== "migrations")).toHaveLength(tables.length);
  });

  test.each([
    [
      "a block without jobs",
      "ready (queue, kind, priority, run_at, attempt, job_ids) values ('q', 'k', 5, now(), 1, '{}')",
    ],
    [
      "a block of an attempt that could never end",
      "ready (queue, kind, priority, run_at, attempt, job_ids) values ('q', 'k', 5, now(), 0, '{00000000-0000-0000-0000-000000000000}')",
    ],
    [
      "a block that has been due for ever",
      "ready (queue, kind, priority, run_at, attempt, job_ids) values ('q', 'k', 5, '-infinity', 1, '{00000000-0000-0000-0000-000000000000}')",
    ],
    [
      "a lease of an attempt that could never end",
      "leases (queue, kind, priority, attempt, job_ids) values ('q', 'k', 5, 0, '{00000000-0000-0000-0000-000000000000}')",
    ],
    [
      "an attempt number zero",
      "attempts (job_id, attempt, outcome, finished_at) values (gen_random_uuid(), 0, 'lost', now())",
    ],
  ])("refuses %s", async (_, row) => {
    await expect(db.run((sql) => sql.unsafe(`insert into jobsvc.${row}`))).rejects.toMatchObject({
      code: "23514",
    });
  });
});
