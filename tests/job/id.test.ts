import { describe, expect, test } from "bun:test";
import { firstIdAt, LAST_ID } from "../../src/job/id.ts";

/** The moment that an id carries, in milliseconds. */
const momentOf = (id: string) => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe("the first id of a moment", () => {
  test.each([0, 1, 255, 65_536, 1_772_359_200_123, Date.parse("2199-12-31T23:59:59.999Z"), 2 ** 48 - 1])(
    "%d carries it",
    (ms) => {
      const id = firstIdAt(new Date(ms));
      expect(id).toMatch(UUID);
      expect(momentOf(id)).toBe(ms);
    },
  );

  test("sorts before every id of that moment and after all of the one before", () => {
    const id = Bun.randomUUIDv7();
    const ms = momentOf(id);
    expect(firstIdAt(new Date(ms)) < id).toBe(true);
    expect(firstIdAt(new Date(ms + 1)) > id).toBe(true);
  });

  test("of a time before all clocks is the first of all", () => {
    expect(firstIdAt(new Date(-1))).toBe("00000000-0000-0000-0000-000000000000");
    expect(firstIdAt(new Date("0001-01-01T00:00:00Z"))).toBe("00000000-0000-0000-0000-000000000000");
  });

  test("is in the order of time", () => {
    const moments = [0, 9, 10, 15, 16, 99, 2 ** 32, 2 ** 32 + 1, Date.now()];
    const ids = moments.map((ms) => firstIdAt(new Date(ms)));
    expect(ids).toEqual(ids.toSorted());
  });
});

test("the last id sorts after every other", () => {
  expect(LAST_ID).toMatch(UUID);
  expect(LAST_ID > Bun.randomUUIDv7()).toBe(true);
  expect(LAST_ID > firstIdAt(new Date(2 ** 48 - 1))).toBe(true);
});
