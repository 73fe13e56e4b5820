import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DEFAULT_MAX_RETRIES } from "../../src/job/job.ts";
import {
  DEFAULT_RETRY_POLICY,
  hasTriesLeft,
  MAX_RETRY_DELAY_MS,
  type RetryPolicy,
  retryDelayMs,
} from "../../src/job/retry.ts";

/** In the middle of the dice, where there is no jitter. */
const NO_JITTER = 0.5;
const HOUR_MS = 60 * 60 * 1000;

const exponential: RetryPolicy = { type: "exponential" };
const failures = fc.integer({ min: 1, max: 100_000 });
const dice = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("the default curve", () => {
  test("waits 1 s, 16 s and 81 s: three retries cover 98 seconds", () => {
    expect(DEFAULT_RETRY_POLICY).toEqual(exponential);
    const waits = Array.from({ length: DEFAULT_MAX_RETRIES }, (_, n) => delay(exponential, n + 1));
    expect(waits).toEqual([1_000, 16_000, 81_000]);
    expect(window(0)).toBe(88_200);
    expect(window(NO_JITTER)).toBe(98_000);
    expect(window(1)).toBe(107_800);
  });

  test("reaches a day with the 18th failure, and stays there", () => {
    expect(delay(exponential, 17)).toBeLessThan(24 * HOUR_MS);
    for (const many of [18, 1_000, Number.MAX_SAFE_INTEGER])
      expect(delay(exponential, many)).toBe(24 * HOUR_MS);
  });

  test("strays ten per cent at most, in whole milliseconds, and never beyond the cap", () => {
    fc.assert(
      fc.property(failures, dice, (n, random) => {
        const straight = delay(exponential, n);
        const thrown = retryDelayMs(exponential, n, random);
        expect(Number.isInteger(thrown)).toBe(true);
        expect(thrown).toBeGreaterThanOrEqual(Math.floor(straight * 0.9));
        expect(thrown).toBeLessThanOrEqual(Math.min(Math.ceil(straight * 1.1), MAX_RETRY_DELAY_MS));
      }),
    );
  });

  test("never waits less after one more failure, but for the jitter", () => {
    fc.assert(
      fc.property(failures, (n) => {
        expect(delay(exponential, n + 1)).toBeGreaterThanOrEqual(delay(exponential, n));
      }),
    );
  });

  test("scatters jobs that failed together", () => {
    const waits = new Set(Array.from({ length: 100 }, (_, i) => retryDelayMs(exponential, 5, i / 100)));
    expect(waits.size).toBe(100);
  });
});

describe("a kind's own policy", () => {
  test("fixed waits the same each time", () => {
    fc.assert(
      fc.property(failures, dice, (n, random) => {
        expect(retryDelayMs({ type: "fixed", delayMs: 250 }, n, random)).toBe(250);
      }),
    );
  });

  test("the curve may begin and end elsewhere", () => {
    const own: RetryPolicy = { type: "exponential", firstMs: 10, maxMs: 1_000 };
    expect([1, 2, 3, 4, 100].map((n) => delay(own, n))).toEqual([10, 160, 810, 1_000, 1_000]);
    expect(retryDelayMs({ type: "exponential", firstMs: 10 }, 1, 0)).toBe(9);
    expect(delay({ type: "exponential", firstMs: 10 }, 1_000)).toBe(24 * HOUR_MS);
    expect(delay({ type: "exponential", maxMs: 60_000 }, 3)).toBe(60_000);
    expect(delay({ type: "exponential", maxMs: 48 * HOUR_MS }, 100)).toBe(48 * HOUR_MS);
  });

  test("a list is followed, and its last wait repeats", () => {
    const list: RetryPolicy = { type: "list", delaysMs: [10, 0, 30] };
    expect([1, 2, 3, 4, 100].map((n) => delay(list, n))).toEqual([10, 0, 30, 30, 30]);
  });
});

test("a job with n retries is tried n + 1 times", () => {
  for (const retries of [0, 1, DEFAULT_MAX_RETRIES, 25]) {
    let tries = 1;
    while (hasTriesLeft(tries, retries + 1)) tries++;
    expect(tries).toBe(retries + 1);
  }
});

function delay(policy: RetryPolicy, n: number): number {
  return retryDelayMs(policy, n, NO_JITTER);
}

/** From the first failure to the last try, when the dice always fall the same way. */
function window(random: number): number {
  let total = 0;
  for (let n = 1; hasTriesLeft(n, DEFAULT_MAX_RETRIES + 1); n++)
    total += retryDelayMs(exponential, n, random);
  return total;
}
