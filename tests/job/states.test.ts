import { expect, test } from "bun:test";
import { OUTCOMES } from "../../src/job/outcome.ts";
import { isFinal, JOB_STATES, JOB_STATUSES, statusOf } from "../../src/job/states.ts";

test("each state has the status that clients know it by", () => {
  expect(Object.fromEntries(JOB_STATES.map((state) => [state, statusOf(state)]))).toEqual({
    scheduled: "created",
    available: "created",
    running: "processing",
    retryable: "created",
    completed: "completed",
    failed: "failed",
    cancelled: "cancelled",
  });
});

test("each status is reached", () => {
  const reached: string[] = JOB_STATES.map(statusOf);
  expect(JOB_STATUSES.filter((status) => !reached.includes(status))).toEqual([]);
});

test("a job is done when it is completed, failed or cancelled, and each of these is an outcome", () => {
  const final = JOB_STATES.filter(isFinal);
  expect(final).toEqual(["completed", "failed", "cancelled"]);
  const outcomes: readonly string[] = OUTCOMES;
  expect(final.filter((state) => !outcomes.includes(state))).toEqual([]);
});
