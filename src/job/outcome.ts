import type { StoredError } from "./errors.ts";
import type { Usage } from "./usage.ts";

/** A result is for reading, not for storage: larger outputs belong where the handler can put them. */
export const MAX_RESULT_BYTES = 1024 * 1024;

/** How an attempt can end. */
export const OUTCOMES = ["completed", "failed", "cancelled", "lost", "snoozed", "released"] as const;

export type Outcome = (typeof OUTCOMES)[number];

/**
 * The one record that closes an attempt, as a worker reports it. Times are durations, not clock readings:
 * the database dates an ending with its own `now()`, so a worker's wrong clock cannot bend history.
 */
export interface Ending {
  jobId: string;
  attempt: number;
  leaseId: string;
  queue: string;
  kind: string;
  priority: number;
  outcome: Outcome;
  /** How long the handler ran. */
  ranMs: number;
  /** `performance.now()` of this process when the handler ended; its age is taken when the ending is written. */
  endedAtMs: number;
  /** Milliseconds until the next attempt, or null when this ending is final. */
  retryAfterMs: number | null;
  /** What the next attempt will have behind it; meaningless on a final ending. */
  failures: number;
  losses: number;
  error: StoredError | null;
  /** JSON text of what the handler returned. */
  result: string | null;
  /** What the attempt has used up of a model, however it ended. */
  usage: Usage | null;
}
