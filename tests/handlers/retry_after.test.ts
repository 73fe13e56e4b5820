import { expect, test } from "bun:test";
import { retryAfterMs } from "../../src/handlers/retry_after.ts";

const NOW_MS = Date.parse("2026-03-02T09:30:00Z");

test.each([
  ["120", 120_000],
  ["0", 0],
  ["1.5", 1_500],
  ["Mon, 02 Mar 2026 09:30:10 GMT", 10_000],
  ["Monday, 02-Mar-26 09:30:10 GMT", 10_000],
  ["Mon Mar  2 09:30:10 2026 GMT", 10_000],
  ["Mon, 02 Mar 2026 09:29:50 GMT", 0],
  ["99999999999", 86_400_000],
  ["Mon, 02 Mar 2099 09:30:10 GMT", 86_400_000],
  ["-5", undefined],
  ["soon", undefined],
  ["", undefined],
  ["1e3", undefined],
  ["0x10", undefined],
])("retry-after: %p means %p ms", (value, ms) => {
  expect(retryAfterMs(new Headers({ "retry-after": value }), NOW_MS)).toBe(ms as number);
});

test("milliseconds come before seconds, if they can be read", () => {
  const of = (ms: string) => retryAfterMs(new Headers({ "retry-after-ms": ms, "retry-after": "2" }), NOW_MS);
  expect(of("150")).toBe(150);
  expect(of("soon")).toBe(2_000);
});

test("an answer without a wish has none", () => {
  expect(retryAfterMs(new Headers(), NOW_MS)).toBeUndefined();
});
