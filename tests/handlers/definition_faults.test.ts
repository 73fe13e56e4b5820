import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { definitionFaults } from "../../src/handlers/definition_faults.ts";

const definition = { kind: "mail", payload: Type.Any(), run() {} };
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

describe("a retry policy", () => {
  const faults = (retry: unknown) => definitionFaults({ default: { ...definition, retry } });

  test.each([
    [{ type: "exponential" }],
    [{ type: "exponential", firstMs: 10 }],
    [{ type: "exponential", firstMs: 10, maxMs: 60_000 }],
    [{ type: "fixed", delayMs: 0 }],
    [{ type: "list", delaysMs: [1, YEAR_MS] }],
    [() => 1_000],
    [undefined],
  ])("may be %p", (retry) => {
    expect(faults(retry)).toEqual([]);
  });

  test.each([
    [null],
    [1_000],
    [[1_000]],
    [{}],
    [{ type: "linear" }],
    [{ type: "constructor" }],
    [{ type: "exponential", delayMs: 10 }],
    [{ type: "exponential", firstMs: "10" }],
    [{ type: "fixed" }],
    [{ type: "fixed", delayMs: [10] }],
    [{ type: "fixed", delayMs: -1 }],
    [{ type: "fixed", delayMs: 0.5 }],
    [{ type: "fixed", delayMs: Number.NaN }],
    [{ type: "fixed", delayMs: 10, more: 1 }],
    [{ type: "list", delaysMs: 10 }],
    [{ type: "list", delaysMs: [] }],
    [{ type: "list", delaysMs: [10, "20"] }],
    [{ type: "list", delaysMs: [YEAR_MS + 1] }],
    [{ type: "list", delaysMs: Array(101).fill(1) }],
  ])("cannot be %p", (retry) => {
    expect(faults(retry)).toEqual([
      { member: "retry", fault: expect.stringContaining("retry must be a function, {") },
    ]);
  });
});
