import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { definitionFaults } from "../../src/handlers/definition_faults.ts";

const definition = { kind: "mail", payload: Type.Any(), run() {} };
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

describe("a definition", () => {
  const faults = (changes: object) => definitionFaults({ default: { ...definition, ...changes } });
  const NAME =
    "must be 1 to 64 letters, digits, dots, colons, hyphens or underscores, with a letter or digit first";

  test("may have every member, or only those that it needs", () => {
    const all = {
      queue: "a",
      timeoutMs: 1,
      maxAttempts: 1_001,
      retry: () => 1,
      onLost: "fail",
      thread: true,
    };
    expect([faults({}), faults(all), faults({ queue: undefined })]).toEqual([[], [], []]);
  });

  test.each([
    [{ kind: "" }, `kind ${NAME}`],
    [{ kind: "a b" }, `kind ${NAME}`],
    [{ kind: "a".repeat(65) }, `kind ${NAME}`],
    [{ kind: undefined }, "kind is missing"],
    [{ queue: 7 }, `queue ${NAME}`],
    [{ payload: undefined }, "payload is missing"],
    [{ payload: { type: "string" } }, "payload must be a schema made with Type"],
    [{ payload: Type.Date() }, "payload is JSON, which has no Type.Date"],
    [{ run: undefined }, "run is missing"],
    [{ run: "now" }, "run must be a function"],
    [{ timeoutMs: 0 }, "timeoutMs must be a whole number from 1 to 2147483647"],
    [{ timeoutMs: 1.5 }, "timeoutMs must be a whole number from 1 to 2147483647"],
    [{ timeoutMs: 2 ** 31 }, "timeoutMs must be a whole number from 1 to 2147483647"],
    [{ maxAttempts: 1_002 }, "maxAttempts must be a whole number from 1 to 1001"],
    [{ maxAttempts: "3" }, "maxAttempts must be a whole number from 1 to 1001"],
    [{ onLost: "never" }, 'onLost must be "retry" or "fail"'],
    [{ thread: 1 }, "thread must be true or false"],
    [{ retries: 3 }, /^retries is no member of a job; those are kind, payload, run, queue, /],
    [{ constructor: 3 }, /^constructor is no member of a job/],
  ])("cannot have %j", (changes, fault) => {
    expect(faults(changes).map((found) => found.fault)).toEqual([
      typeof fault === "string" ? fault : expect.stringMatching(fault),
    ]);
  });

  test("has all its faults told", () => {
    expect(faults({ kind: "", run: undefined, colour: "red" })).toHaveLength(3);
  });

  test.each([[null], [7], ["job"], [[]], [() => definition]])("is not %p", (value) => {
    expect(definitionFaults({ default: value })).toEqual([
      { fault: "the default export must be a job of defineJob" },
    ]);
  });
});

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
