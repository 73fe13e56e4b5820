import { describe, expect, test } from "bun:test";
import { JOB_STATES } from "../../src/job/states.ts";
import { WHY_CODES, type WhyFacts, why } from "../../src/job/why.ts";

const AT = new Date("2026-03-01T10:00:00.000Z");
const SEEN = new Date("2026-03-01T09:00:00.000Z");

/** A job that nothing stands in the way of, but for what the test says. */
function facts(changes: Partial<WhyFacts> = {}): WhyFacts {
  return {
    state: "available",
    queue: "mail",
    kind: "ai_agent",
    runAt: AT,
    pausedAt: null,
    workers: 2,
    lastSeenAt: SEEN,
    slots: 20,
    slotsInUse: 19,
    jobsAhead: 0,
    ...changes,
  };
}

const CASES: [code: (typeof WHY_CODES)[number], changes: Partial<WhyFacts>, detail: string][] = [
  ["ended", { state: "completed", runAt: null }, "the job is completed"],
  ["ended", { state: "failed", runAt: null }, "the job is failed"],
  ["ended", { state: "cancelled", runAt: null }, "the job is cancelled"],
  ["running", { state: "running" }, "the job is running"],
  ["scheduled", { state: "scheduled" }, "scheduled for 2026-03-01T10:00:00.000Z"],
  ["waiting_to_retry", { state: "retryable" }, "waits until 2026-03-01T10:00:00.000Z for its next attempt"],
  ["queue_paused", { pausedAt: SEEN }, 'the queue "mail" is paused since 2026-03-01T09:00:00.000Z'],
  [
    "no_worker",
    { workers: 0, slots: 0, slotsInUse: 0 },
    'no living worker takes "ai_agent" from the queue "mail"; the last one was seen at 2026-03-01T09:00:00.000Z',
  ],
  [
    "no_worker",
    { workers: 0, slots: 0, slotsInUse: 0, lastSeenAt: null },
    'no living worker takes "ai_agent" from the queue "mail"; none was ever seen',
  ],
  ["all_slots_busy", { slotsInUse: 20, jobsAhead: 3 }, "all 20 slots are busy; 3 due jobs go first"],
  ["all_slots_busy", { slotsInUse: 25 }, "all 20 slots are busy; 0 due jobs go first"],
  ["behind_others", { jobsAhead: 3 }, '3 due jobs of the queue "mail" go first'],
  ["next", {}, "the job is next, and will be taken within a poll interval"],
];

describe("why a job is not running", () => {
  test.each(CASES)("%s %j", (code, changes, detail) => {
    expect(why(facts(changes))).toEqual({ code, detail });
  });

  test("has a case for every code, and every state has an answer", () => {
    expect(new Set(CASES.map(([code]) => code))).toEqual(new Set(WHY_CODES));
    for (const state of JOB_STATES) expect(WHY_CODES).toContain(why(facts({ state })).code);
  });

  test("is the first thing that stands in its way", () => {
    const everything = { pausedAt: SEEN, workers: 0, slots: 0, slotsInUse: 0, jobsAhead: 7 };
    const order: Partial<WhyFacts>[] = [
      { pausedAt: null },
      { workers: 2, slots: 2, slotsInUse: 2 },
      { slots: 3 },
    ];
    const codes = [why(facts(everything)).code];
    let now: Partial<WhyFacts> = everything;
    for (const change of [...order, { jobsAhead: 0 }]) {
      now = { ...now, ...change };
      codes.push(why(facts(now)).code);
    }
    expect(codes).toEqual(["queue_paused", "no_worker", "all_slots_busy", "behind_others", "next"]);
    for (const state of ["scheduled", "retryable", "running", "completed"] as const)
      expect(why(facts({ ...everything, state })).code).not.toBe("queue_paused");
  });
});
