import type { Outcome } from "./outcome.ts";

/** Why somebody who held a job holds it no more. */
export const STALE_REASONS = ["lost", "cancelled", "timed_out", "finished"] as const;

export type StaleReason = (typeof STALE_REASONS)[number];

/** What the ending of an attempt means to whoever ran it; `errorReason` is that of the stored error. */
export function staleReason(outcome: Outcome, errorReason: string | null): StaleReason {
  if (outcome === "cancelled" || outcome === "lost") return outcome;
  if (errorReason === "timed_out") return "timed_out";
  // Lost once too often, or once where that is too often: it will not run again.
  if (errorReason === "crashed" || errorReason === "lost") return "lost";
  return "finished";
}
