import { expect, test } from "bun:test";
import { OUTCOMES } from "../../src/job/outcome.ts";
import { staleReason } from "../../src/job/stale.ts";

test("every ending of an attempt means something to whoever still holds it", () => {
  const reasons = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, staleReason(outcome, null)]));
  expect(reasons).toEqual({
    completed: "finished",
    failed: "finished",
    cancelled: "cancelled",
    lost: "lost",
    snoozed: "finished",
    released: "finished",
  });
});

test("a failure that nobody reported was a loss, or came of the deadline", () => {
  expect(staleReason("failed", "crashed")).toBe("lost");
  expect(staleReason("failed", "lost")).toBe("lost");
  expect(staleReason("failed", "timed_out")).toBe("timed_out");
  expect(staleReason("failed", "invalid_result")).toBe("finished");
});
