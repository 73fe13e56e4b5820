import { describe, expect, test } from "bun:test";
import { readUsage, sumOfUsage, type Usage } from "../../src/job/usage.ts";

describe("the sum of what was used up", () => {
  test("adds tokens and cost, without the rests of binary fractions", () => {
    const sum = sumOfUsage([
      { input_tokens: 1, output_tokens: 2, cost: 0.1 },
      { input_tokens: 10, output_tokens: 20, cost: 0.2 },
    ]);
    expect(sum).toEqual({ input_tokens: 11, output_tokens: 22, cost: 0.3 });
  });

  test("is null where nobody used anything", () => {
    expect(sumOfUsage([])).toBeNull();
    expect(sumOfUsage([null, null])).toBeNull();
  });

  test("is an estimate as soon as one part of it is, and has a cost as soon as one part of it has", () => {
    const parts = [
      { input_tokens: 1, output_tokens: 1 },
      null,
      { input_tokens: 1, output_tokens: 1, estimated: true },
    ];
    expect(sumOfUsage(parts)).toEqual({ input_tokens: 2, output_tokens: 2, estimated: true });
    expect(sumOfUsage([...parts, { input_tokens: 0, output_tokens: 0, cost: 0 }])?.cost).toBe(0);
  });
});

describe("what a handler tells", () => {
  test("is taken as it is, and no more than that", () => {
    const usage: Usage = { input_tokens: 3, output_tokens: 4, cost: 0.5, estimated: true };
    expect(readUsage({ ...usage, secret: "x" } as Usage)).toEqual(usage);
  });

  test.each([[-1], [Number.NaN], [Number.POSITIVE_INFINITY], ["7"], [null], [{}], [7n]])(
    "%p is no number",
    (value) => {
      const told = { input_tokens: value, output_tokens: 2, cost: value, estimated: value };
      expect(readUsage(told as unknown as Usage)).toEqual({ input_tokens: 0, output_tokens: 2 });
    },
  );
});
