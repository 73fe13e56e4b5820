import { describe, expect, test } from "bun:test";
import { BEGINNING, placeOf, placeText, STEP } from "../../src/job/event.ts";

describe("a place in a job's story", () => {
  test("is read as it was written", () => {
    for (const step of [...Object.values(STEP), 1, 17, 2 ** 31 - 2])
      for (const attempt of [1, 2, 999_999_999])
        expect(placeOf(placeText({ attempt, step }))).toEqual({ attempt, step });
    expect(placeOf(placeText(BEGINNING))).toEqual(BEGINNING);
  });

  test.each([
    "",
    "1",
    "1.",
    ".1",
    "1.1 ",
    "1.1.1",
    "-1.1",
    "1.-3",
    "1.2147483648",
    "1.99999999999",
    "9999999999.1",
    "a.b",
    "1.1\n",
    "١.١",
  ])("is not %j", (text) => {
    expect(placeOf(text)).toBeUndefined();
  });
});
