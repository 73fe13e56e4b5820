import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { arrayLiteral, column } from "../../src/db/arrays.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();

const texts = async (values: (string | null)[]) => {
  const [row] = await db.run(
    (sql) => sql<{ values: unknown }[]>`select to_json(${values}::text[]) as values`,
  );
  return row!.values;
};

/** What Postgres can store: no NUL, no half of a surrogate pair. */
const storable = fc
  .string({ unit: "binary", maxLength: 20 })
  .map((text) => text.toWellFormed().replaceAll("\0", ""));

describe("an array of texts", () => {
  test("arrives as it was sent, whatever is in it", async () => {
    const naughty = [
      "",
      " ",
      "null",
      "NULL",
      "Null",
      "nULL",
      "a,b",
      "{}",
      "{a}",
      '"',
      '""',
      "\\",
      '\\"',
      "a\\",
      "'",
      "a b",
      "\n",
      "\t",
      "-",
      "_",
      "é",
      "\u{1F469}",
    ];
    expect(await texts(naughty)).toEqual(naughty);
  });

  test("knows null from the word", async () => {
    expect(await texts([null, "null", null, ""])).toEqual([null, "null", null, ""]);
    expect(await texts([null])).toEqual([null]);
  });

  test("may be empty", async () => {
    expect(await texts([])).toEqual([]);
  });

  test("arrives as it was sent, whatever one thinks of", async () => {
    const arrays = fc.array(fc.oneof(storable, fc.constant(null)), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(arrays, async (values) => expect(await texts(values)).toEqual(values)),
      { numRuns: 300 },
    );
  });

  test("may hold the literals of other arrays, and they can be read there", async () => {
    const tags = [["a,b", '"'], [], ["null", "\\{}"]];
    const rows = await db.run(
      (sql) =>
        sql`select to_json(literal::text[]) as tags from unnest(${tags.map(arrayLiteral)}::text[]) literal`,
    );
    expect(rows.map((row) => row.tags)).toEqual(tags);
  });
});

describe("an array", () => {
  test("can be of every type that our statements send", async () => {
    const id = crypto.randomUUID();
    const [row] = await db.run(
      (sql) => sql`
      select to_json(${[id, null]}::uuid[]) as uuid, to_json(${[1, -32768, null]}::int2[]) as int2,
        to_json(${[2 ** 31 - 1, 0, null]}::int4[]) as int4, (${[Number.MAX_SAFE_INTEGER, -1, null]}::int8[])::text as int8,
        to_json(${["2024-02-29T12:00:00.123Z", null]}::timestamptz[]) as timestamptz`,
    );
    expect({ ...row }).toEqual({
      uuid: [id, null],
      int2: [1, -32768, null],
      int4: [2 ** 31 - 1, 0, null],
      int8: "{9007199254740991,-1,NULL}",
      timestamptz: ["2024-02-29T12:00:00.123+00:00", null],
    });
  });

  test("may be a hundred thousand long", async () => {
    const ids = Array.from({ length: 100_000 }, () => Bun.randomUUIDv7());
    const [row] = await db.run(
      (sql) => sql`select count(*)::int as count, max(id::text) as last from unnest(${ids}::uuid[]) id`,
    );
    expect({ ...row }).toEqual({ count: 100_000, last: ids.at(-1) });
  });

  test("of a type that has no such value is refused, not bent", async () => {
    for (const values of [["x"], ["1; drop table jobsvc.jobs"], ["{1,2}"]])
      await expect(db.run((sql) => sql`select ${values}::int4[]`)).rejects.toThrow();
    await expect(db.run((sql) => sql`select ${[2 ** 31]}::int4[]`)).rejects.toMatchObject({ code: "22003" });
  });
});

describe("a column", () => {
  test("says once what all rows have in common, and of each what differs", () => {
    const of = (...texts: (string | null)[]) =>
      column(
        texts.map((text) => ({ text })),
        "text",
        (text) => text?.length ?? null,
      );
    expect(of("a", "b")).toEqual({ all: 1, each: [] });
    expect(of("a", "bc")).toEqual({ all: null, each: [1, 2] });
    expect(of(null, "a")).toEqual({ all: null, each: [null, 1] });
    expect(of(null, null)).toEqual({ all: null, each: [] });
    expect(of()).toEqual({ all: null, each: [] });
  });
});
