/** How long to wait after the n-th failure before the next try. */
export type RetryPolicy =
  | {
      type: "exponential";
      /** The wait after the first failure, a second by default, which grows with the 4th power of the failures. */
      firstMs?: number;
      /** The longest wait, a day by default. */
      maxMs?: number;
    }
  | { type: "fixed"; delayMs: number }
  | { type: "list"; delaysMs: readonly [number, ...number[]] };

/**
 * Decides after failure number `failures` (from 1) of a job: milliseconds until the next try, or false for none. `random`
 * is a number in [0, 1), to scatter jobs that failed together.
 */
export type RetryDecision = (failures: number, error: unknown, random: number) => number | false;

/** What a kind says of its retries; undefined for one that says nothing, or is not known here. */
export type RetryOf = (kind: string) => RetryPolicy | RetryDecision | undefined;

export const DEFAULT_RETRY_POLICY: RetryPolicy = { type: "exponential" };

const FIRST_RETRY_DELAY_MS = 1_000;
/** Nobody watches a job that sleeps for weeks: the curve stays within a day. */
export const MAX_RETRY_DELAY_MS = 24 * 60 * 60 * 1000;
/** What code asks for is taken as it is up to a year: a later time is a slip of the keyboard. */
export const MAX_WISHED_DELAY_MS = 365 * 24 * 60 * 60 * 1000;

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
      const { firstMs = FIRST_RETRY_DELAY_MS, maxMs = MAX_RETRY_DELAY_MS } = policy;
      return Math.min(Math.round(failures ** 4 * firstMs * jitter), maxMs);
    }
  }
}

/** A wish of a handler as a delay: at least now, at most a year from now. Undefined for what is no number. */
export function wishedDelayMs(wish: unknown): number | undefined {
  if (typeof wish !== "number" || Number.isNaN(wish)) return undefined;
  return Math.min(Math.max(wish, 0), MAX_WISHED_DELAY_MS);
}

/** `failures` counts the failure that has just happened. */
export function hasTriesLeft(failures: number, maxAttempts: number): boolean {
  return failures < maxAttempts;
}
