/** How long to wait after the n-th failure before the next try. */
export type RetryPolicy =
  | { type: "exponential" }
  | { type: "fixed"; delayMs: number }
  | { type: "list"; delaysMs: readonly [number, ...number[]] };

export const DEFAULT_RETRY_POLICY: RetryPolicy = { type: "exponential" };

/** Nobody watches a job that sleeps for weeks: the curve stays within a day. */
export const MAX_RETRY_DELAY_MS = 24 * 60 * 60 * 1000;

/** Ten per cent either way, so that jobs which failed together do not come back together. */
const JITTER = 0.1;

/**
 * Milliseconds to wait after failure number `failures` (from 1). `random` is a number in [0, 1).
 * The exponential curve is `failures^4` seconds, River's, capped at 24 hours.
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, random: number): number {
  switch (policy.type) {
    case "fixed":
      return policy.delayMs;
    case "list":
      return policy.delaysMs[Math.min(failures, policy.delaysMs.length) - 1] ?? policy.delaysMs[0];
    case "exponential": {
      const jitter = 1 + JITTER * (2 * random - 1);
      return Math.min(Math.round(failures ** 4 * 1000 * jitter), MAX_RETRY_DELAY_MS);
    }
  }
}

/** `failures` counts the failure that has just happened. */
export function hasTriesLeft(failures: number, maxAttempts: number): boolean {
  return failures < maxAttempts;
}
