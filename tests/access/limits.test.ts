import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type CallsPerMinute, limits } from "../../src/access/limits.ts";

const SECOND = 1_000;

function bucket(changes: Partial<CallsPerMinute> = {}) {
  const clock = { ms: 5_000_000.123 };
  const counting = limits({ enqueue: 3, read: 600, work: 100, manage: 7, ...changes }, () => clock.ms);
  const call = (owner = "a", quota: keyof CallsPerMinute = "enqueue") => {
    const { accepted, remaining, resetS } = counting.count(owner, quota)!;
    return [accepted, remaining, resetS];
  };
  const pass = (seconds: number) => {
    clock.ms += seconds * SECOND;
  };
  return { counting, call, pass };
}

test("three calls a minute, told exactly", () => {
  const { call, pass } = bucket();
  expect([call(), call(), call(), call(), call()]).toEqual([
    [true, 2, 20],
    [true, 1, 20],
    [true, 0, 20],
    [false, 0, 20],
    [false, 0, 20],
  ]);
  pass(5);
  expect(call()).toEqual([false, 0, 15]);
  pass(14.5);
  expect(call()).toEqual([false, 0, 1]);
  pass(0.5);
  expect(call()).toEqual([true, 0, 20]);
  pass(40);
  expect(call()).toEqual([true, 1, 20]);
  pass(10);
  expect(call()).toEqual([true, 0, 10]);
  pass(3_600);
  expect(call()).toEqual([true, 2, 20]);
});

test("names its quota, and how many calls it has in how long", () => {
  expect(bucket().counting.count("a", "manage")).toEqual({
    accepted: true,
    quota: "manage",
    calls: 7,
    windowS: 60,
    remaining: 6,
    resetS: 9,
  });
});

test("a time of less than a second is told as one: 0 would mean at once", () => {
  expect(bucket().call("a", "read")).toEqual([true, 599, 1]);
});

test("each owner and each quota counts for itself", () => {
  const { call } = bucket();
  for (const _ of [1, 2, 3, 4]) call("a");
  expect(call("a")[0]).toBe(false);
  expect(call("b")).toEqual([true, 2, 20]);
  expect(call("a", "read")).toEqual([true, 599, 1]);
});

test("0 is no limit", () => {
  const { counting } = bucket({ enqueue: 0 });
  for (let count = 0; count < 1_000; count++) expect(counting.count("a", "enqueue")).toBeUndefined();
});

test("many owners do not stay in memory once their buckets are full again, and lose nothing before", () => {
  const { call, pass } = bucket();
  call("early");
  pass(15);
  for (let count = 0; count < 10_001; count++) call(`owner ${count}`);
  expect(call("early")).toEqual([true, 1, 5]);
  pass(60);
  for (let count = 0; count < 10_001; count++) expect(call(`later ${count}`)).toEqual([true, 2, 20]);
  expect(call("early")).toEqual([true, 2, 20]);
});

describe("whatever happens", () => {
  const steps = fc.array(
    fc.oneof(fc.constant("call" as const), fc.double({ min: 0, max: 90, noNaN: true })),
    {
      maxLength: 200,
    },
  );

  test("r falls by one, is never negative, refuses exactly at 0, and waiting for t brings one more", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), steps, (calls, steps) => {
        const { counting, call, pass } = bucket({ enqueue: calls });
        let left = calls;
        let waited = false;
        for (const step of steps) {
          if (step !== "call") {
            pass(step);
            waited ||= step > 0;
            continue;
          }
          const { accepted, remaining, resetS } = counting.count("a", "enqueue")!;
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(remaining).toBeLessThan(calls);
          if (!waited) expect([accepted, remaining]).toEqual([left > 0, Math.max(0, left - 1)]);
          expect(resetS).toBeGreaterThanOrEqual(1);
          expect(resetS).toBeLessThanOrEqual(61);
          [left, waited] = [remaining, false];
          if (accepted) continue;
          expect(remaining).toBe(0);
          pass(resetS);
          expect(call()[0]).toBe(true);
          [left, waited] = [0, true];
        }
      }),
    );
  });

  test("in any stretch of time no more pass than a bucket and what flows in meanwhile", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), steps, (calls, steps) => {
        const { call, pass } = bucket({ enqueue: calls });
        let seconds = 0;
        let accepted = 0;
        for (const step of steps) {
          if (step === "call") accepted += call()[0] ? 1 : 0;
          else {
            pass(step);
            seconds += step;
          }
        }
        expect(accepted).toBeLessThanOrEqual(calls + (seconds / 60) * calls + 0.01);
      }),
    );
  });
});
