import { describe, expect, test } from "bun:test";
import type { JobDefinition } from "../../src/handlers/define.ts";
import { HandlerError, Snooze } from "../../src/job/errors.ts";
import { RawJson } from "../../src/job/raw_json.ts";
import { type RunOptions, run } from "../support/run.ts";

const rejected = (thrown: unknown, options: RunOptions = {}) => run(() => Promise.reject(thrown), options);

describe("a result", () => {
  test.each([
    ["an object", { a: [1, "x"] }, '{"a":[1,"x"]}'],
    ["null", null, "null"],
    ["an empty text", "", '""'],
    ["zero", 0, "0"],
    ["false", false, "false"],
    ["a date", new Date(0), '"1970-01-01T00:00:00.000Z"'],
    ["nothing", undefined, null],
  ])("%s is kept as JSON", async (_, output, result) => {
    expect(await run(() => output)).toMatchObject({
      outcome: "completed",
      result,
      error: null,
      retryAfterMs: null,
    });
  });

  test("that is JSON text already is kept to the byte", async () => {
    const text = ' {"n": 12345678901234567890}';
    expect((await run(() => new RawJson(text)))?.result).toBe(text);
    const large = new RawJson(`"${"x".repeat(1024 * 1024)}"`);
    expect((await run(() => large))?.error).toMatchObject({ reason: "invalid_result" });
  });

  test("may come at once or as a promise", async () => {
    expect(await run(() => 1)).toMatchObject({ result: "1" });
    expect(await run(async () => 2)).toMatchObject({ result: "2" });
  });

  const circular: { self?: unknown } = {};
  circular.self = circular;
  const hostile = {
    toJSON() {
      throw new Error("not me");
    },
  };
  test.each([
    ["a circle", circular],
    ["a BigInt", { n: 10n }],
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["an object that refuses", hostile],
    ["more than a mebibyte", "x".repeat(1024 * 1024)],
    ["more than a mebibyte in bytes", "é".repeat(600_000)],
  ])("%s ends the job as failed for good: the next try would bring the same", async (_, output) => {
    const ending = await run(() => output);
    expect(ending).toMatchObject({ outcome: "failed", retryAfterMs: null, result: null });
    expect(ending?.error).toMatchObject({ name: "ResultError", reason: "invalid_result" });
  });

  test("of exactly a mebibyte is kept", async () => {
    const ending = await run(() => "x".repeat(1024 * 1024 - 2));
    expect(ending?.outcome).toBe("completed");
    expect(ending?.result).toHaveLength(1024 * 1024);
  });
});

describe("whatever is thrown", () => {
  test("an Error is kept with its stack and its cause, and the job is tried again", async () => {
    const ending = await rejected(new TypeError("no such host", { cause: new Error("dns") }));
    expect(ending).toMatchObject({ outcome: "failed", failures: 1, retryAfterMs: 1_000, result: null });
    expect(ending?.error).toMatchObject({
      name: "TypeError",
      message: "no such host",
      cause: { message: "dns" },
    });
    expect(ending?.error?.stack).toContain("run.test.ts");
    expect(ending?.error?.reason).toBeUndefined();
  });

  test("before the first await is a failure like any other", async () => {
    const ending = await run(() => {
      throw new Error("at once");
    });
    expect(ending).toMatchObject({ outcome: "failed", error: { message: "at once" } });
  });

  test.each([
    ["a string", "a sentence", { name: "string", message: "a sentence" }],
    ["undefined", undefined, { name: "undefined", message: "undefined" }],
    ["null", null, { name: "object", message: "null" }],
    ["a number", 42, { name: "number", message: "42" }],
    ["an object", { code: 7 }, { name: "object", message: '{"code":7}' }],
  ])("%s is kept too", async (_, thrown, error) => {
    expect(await rejected(thrown)).toMatchObject({ outcome: "failed", retryAfterMs: 1_000, error });
  });

  const refuse = () => {
    throw new Error("no answer");
  };
  test.each([
    ["hides what it is", new Proxy({}, { getPrototypeOf: refuse })],
    ["hides its wish", new Proxy(new HandlerError("later", { retryAfter: 1 }), { get: refuse })],
    ["hides how long it sleeps", new Proxy(new Snooze(1), { get: refuse })],
  ])("something that %s is a failure like any other", async (_, thrown) => {
    expect(await rejected(thrown)).toMatchObject({
      outcome: "failed",
      retryAfterMs: 1_000,
      error: { message: "the handler threw something that cannot be read" },
    });
  });
});

describe("a handler's wish", () => {
  test.each([
    [5_000, 5_000],
    [0, 0],
    [-1, 0],
    [Number.POSITIVE_INFINITY, 365 * 24 * 60 * 60 * 1000],
    [Number.NaN, 1_000],
    [undefined, 1_000],
    [false, null],
  ] as const)("retryAfter %p means %p ms", async (retryAfter, retryAfterMs) => {
    const wish = retryAfter === undefined ? {} : { retryAfter };
    expect(await rejected(new HandlerError("later", wish))).toMatchObject({
      outcome: "failed",
      retryAfterMs,
    });
  });

  test.each([
    ["budget_exceeded", "budget_exceeded"],
    ["Two Words", undefined],
    [{ word: "budget" }, undefined],
    [undefined, undefined],
  ])("to be told apart by the word %p", async (reason, told) => {
    const options = reason === undefined ? {} : { reason: reason as string };
    expect((await rejected(new HandlerError("no", options)))?.error?.reason).toBe(told as string);
  });

  test("does not give more attempts than the job has", async () => {
    const ending = await rejected(new HandlerError("later", { retryAfter: 1 }), { job: { maxAttempts: 1 } });
    expect(ending?.retryAfterMs).toBeNull();
  });
});

describe("a snooze", () => {
  test("brings the job back after its time, says why, and takes no try away", async () => {
    const job = { attempt: 4, failures: 2, losses: 1, maxAttempts: 3 };
    expect(await rejected(new Snooze(90_000, "the other side sleeps"), { job })).toMatchObject({
      outcome: "snoozed",
      retryAfterMs: 90_000,
      attempt: 4,
      failures: 2,
      losses: 1,
      error: { name: "Snooze", message: "the other side sleeps" },
      result: null,
    });
  });

  test("keeps no stack: nothing went wrong", async () => {
    expect((await rejected(new Snooze(1)))?.error).toEqual({ name: "Snooze", message: "not yet" });
  });

  test.each([
    [0, 0],
    [0.5, 0.5],
    [Number.POSITIVE_INFINITY, 365 * 24 * 60 * 60 * 1000],
  ])("of %p ms is one of %p ms", async (ms, retryAfterMs) => {
    expect(await rejected(new Snooze(ms))).toMatchObject({ outcome: "snoozed", retryAfterMs });
  });

  test.each([-1, Number.NaN, undefined as never, "soon" as never])(
    "of %p ms is refused where it is made",
    (ms) => {
      expect(() => new Snooze(ms)).toThrow(RangeError);
    },
  );
});

describe("a retry function", () => {
  const decided = async (retry: JobDefinition["retry"], thrown: unknown = new Error("x"), job = {}) => {
    const complaints: unknown[] = [];
    const ending = await rejected(thrown, {
      definition: { ...(retry && { retry }) },
      job: { failures: 1, maxAttempts: 9, ...job },
      random: 0.25,
      complain: (error) => complaints.push(error),
    });
    return { ending, complaints };
  };

  test("hears the number of the failure, what was thrown and the dice, and decides", async () => {
    const heard: unknown[] = [];
    const thrown = { code: 429 };
    const { ending, complaints } = await decided((...told) => heard.push(...told) * 100, thrown);
    expect(heard).toEqual([2, thrown, 0.25]);
    expect(heard[1]).toBe(thrown);
    expect(ending).toMatchObject({ outcome: "failed", failures: 2, retryAfterMs: 300 });
    expect(complaints).toEqual([]);
  });

  test("that answers false ends the job", async () => {
    const { ending, complaints } = await decided(() => false);
    expect(ending).toMatchObject({ outcome: "failed", retryAfterMs: null });
    expect(complaints).toEqual([]);
  });

  test.each([
    [-5, 0],
    [Number.POSITIVE_INFINITY, 365 * 24 * 60 * 60 * 1000],
  ])("that answers %p means %p ms", async (answer, retryAfterMs) => {
    expect((await decided(() => answer)).ending?.retryAfterMs).toBe(retryAfterMs);
  });

  test.each([
    ["answers nothing", () => undefined],
    ["answers NaN", () => Number.NaN],
    ["answers a text", () => "100"],
    ["answers true", () => true],
    ["answers a promise", async () => 100],
    ["answers a promise that fails", () => Promise.reject(new Error("late"))],
  ])("that %s leaves it to the curve, and is complained of", async (_, retry) => {
    const { ending, complaints } = await decided(retry as never);
    expect(ending?.retryAfterMs).toBe(16_000 * 0.95);
    expect(complaints).toEqual([new TypeError("a retry function answers milliseconds, or false for never")]);
  });

  test("that throws leaves it to the curve, and what it threw is told", async () => {
    const broken = new Error("cannot count");
    const { ending, complaints } = await decided(() => {
      throw broken;
    });
    expect(ending).toMatchObject({ retryAfterMs: 16_000 * 0.95, error: { message: "x" } });
    expect(complaints).toEqual([broken]);
  });

  test("is not asked when no try is left, nor when the error knows better, nor for a snooze", async () => {
    const never = () => {
      throw new Error("asked");
    };
    const asked = await Promise.all([
      decided(never, new Error("x"), { maxAttempts: 2 }),
      decided(never, new HandlerError("later", { retryAfter: 7 })),
      decided(never, new HandlerError("never", { retryAfter: false })),
      decided(never, new Snooze(8)),
    ]);
    expect(asked.map(({ ending }) => ending?.retryAfterMs)).toEqual([null, 7, null, 8]);
    expect(asked.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});

describe("retries", () => {
  test.each([
    { failures: 0, maxAttempts: 1, again: false },
    { failures: 0, maxAttempts: 2, again: true },
    { failures: 2, maxAttempts: 4, again: true },
    { failures: 3, maxAttempts: 4, again: false },
  ])(
    "after $failures failures of $maxAttempts attempts: $again",
    async ({ failures, maxAttempts, again }) => {
      const ending = await rejected(new Error("x"), { job: { failures, maxAttempts } });
      expect(ending?.failures).toBe(failures + 1);
      expect(ending?.retryAfterMs !== null).toBe(again);
    },
  );

  test("are counted by failures: attempts that were released, snoozed or lost take none away", async () => {
    const ending = await rejected(new Error("x"), {
      job: { attempt: 9, failures: 0, losses: 2, maxAttempts: 2 },
    });
    expect(ending).toMatchObject({ attempt: 9, failures: 1, losses: 2, retryAfterMs: 1_000 });
  });

  test("follow the curve of the kind, with the dice as they fall", async () => {
    const delay = async (failures: number, random: number, retry?: JobDefinition["retry"]) => {
      const definition = retry && { retry };
      const ending = await rejected(new Error("x"), {
        job: { failures: failures - 1, maxAttempts: 50 },
        random,
        ...(definition && { definition }),
      });
      return ending?.retryAfterMs;
    };
    expect(await delay(2, 0.5)).toBe(16_000);
    expect(await delay(2, 0)).toBe(14_400);
    expect(await delay(3, 1)).toBe(89_100);
    expect(await delay(20, 0.5)).toBe(24 * 60 * 60 * 1000);
    expect(await delay(7, 0, { type: "fixed", delayMs: 250 })).toBe(250);
    const list = { type: "list", delaysMs: [10, 20, 30] } as const;
    expect(await Promise.all([1, 2, 3, 4].map((failures) => delay(failures, 0, list)))).toEqual([
      10, 20, 30, 30,
    ]);
  });
});
