import { HandlerError, Snooze, storedError } from "./errors.ts";
import type { Ending } from "./outcome.ts";
import {
  DEFAULT_RETRY_POLICY,
  hasTriesLeft,
  type RetryDecision,
  type RetryPolicy,
  retryDelayMs,
  wishedDelayMs,
} from "./retry.ts";

export class TimeoutError extends Error {
  override name = "TimeoutError";

  constructor(readonly limitMs: number) {
    super(`the attempt took longer than its limit of ${limitMs} ms`);
  }
}

export class PayloadError extends Error {
  override name = "PayloadError";
}

export class ResultError extends Error {
  override name = "ResultError";
}

/** What becomes of an attempt whose handler threw. */
export type Verdict = Pick<Ending, "outcome" | "failures" | "retryAfterMs" | "error">;

export interface Circumstances {
  /** What the kind says of itself; undefined for one that says nothing, or is not known here. */
  retry: RetryPolicy | RetryDecision | undefined;
  /** Failures before this attempt. */
  failures: number;
  maxAttempts: number;
  /** In [0, 1). */
  random: number;
  /** Hears why the kind's own retry function was of no use: it threw, or answered what is no time. */
  complain: (error: unknown) => void;
}

/** Decides after an attempt has thrown: whether the job is tried again, and when. Never throws. */
export function verdictOn(thrown: unknown, circumstances: Circumstances): Verdict {
  try {
    return judge(thrown, circumstances);
  } catch {
    // A proxy may throw whatever it is asked.
    return judge(new Error("the handler threw something that cannot be read"), circumstances);
  }
}

function judge(thrown: unknown, circumstances: Circumstances): Verdict {
  if (thrown instanceof Snooze) return snoozed(thrown, circumstances.failures);
  const failures = circumstances.failures + 1;
  const again = mayHelp(thrown) && hasTriesLeft(failures, circumstances.maxAttempts);
  return {
    outcome: "failed",
    failures,
    retryAfterMs: again ? delayMs(thrown, failures, circumstances) : null,
    error: storedError(thrown, reasonOf(thrown)),
  };
}

/** Nothing went wrong: what the handler says is kept, but not where it said it. */
function snoozed(snooze: Snooze, failures: number): Verdict {
  const { name, message } = storedError(snooze);
  return {
    outcome: "snoozed",
    failures,
    retryAfterMs: wishedDelayMs(snooze.ms) ?? 0,
    error: { name, message },
  };
}

/** The error knows best, then the kind, then the curve. */
function delayMs(
  thrown: unknown,
  failures: number,
  { retry = DEFAULT_RETRY_POLICY, random, complain }: Circumstances,
): number | null {
  const wish = thrown instanceof HandlerError ? wishedDelayMs(thrown.retryAfter) : undefined;
  if (wish !== undefined) return wish;
  if (typeof retry !== "function") return retryDelayMs(retry, failures, random);
  try {
    const answer: unknown = retry(failures, thrown, random);
    if (answer === false) return null;
    const delay = wishedDelayMs(answer);
    if (delay !== undefined) return delay;
    // One that rejects would end the process.
    if (answer instanceof Promise) answer.catch(() => {});
    complain(new TypeError("a retry function answers milliseconds, or false for never"));
  } catch (error) {
    complain(error);
  }
  return retryDelayMs(DEFAULT_RETRY_POLICY, failures, random);
}

/** A payload or a result that does not fit today will not fit tomorrow. */
function mayHelp(thrown: unknown): boolean {
  if (thrown instanceof PayloadError || thrown instanceof ResultError) return false;
  return !(thrown instanceof HandlerError && thrown.retryAfter === false);
}

/** Anything may stand there: handlers are written in JavaScript, too. */
function wordOf(reason: unknown): string | undefined {
  return typeof reason === "string" && REASON.test(reason) ? reason : undefined;
}

const REASON = /^[a-z0-9_]{1,64}$/;

function reasonOf(thrown: unknown): string | undefined {
  if (thrown instanceof TimeoutError) return "timed_out";
  if (thrown instanceof PayloadError) return "invalid_payload";
  if (thrown instanceof ResultError) return "invalid_result";
  if (thrown instanceof HandlerError) return wordOf(thrown.reason);
  return undefined;
}
