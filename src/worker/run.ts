import type { JobDefinition, Reporter } from "../handlers/define.ts";
import type { Registry } from "../handlers/registry.ts";
import { HandlerError, storedError } from "../job/errors.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { DEFAULT_RETRY_POLICY, hasTriesLeft, retryDelayMs } from "../job/retry.ts";

export interface Run {
  job: TakenJob;
  registry: Registry;
  /** Broken off from outside: cancelled, lost or released. */
  controller: AbortController;
  /** Takes what the handler tells. */
  reporter: Reporter;
  /** Time limit for a job that brings none and whose kind sets none. */
  defaultTimeoutMs: number;
  random: () => number;
}

/** A result is for reading, not for storage: larger outputs belong where the handler can put them. */
const MAX_RESULT_BYTES = 1024 * 1024;

class TimeoutError extends Error {
  override name = "TimeoutError";
}

class PayloadError extends Error {
  override name = "PayloadError";
}

class ResultError extends Error {
  override name = "ResultError";
}

/** The attempt was broken off from outside. */
const INTERRUPTED = Symbol("interrupted");

/**
 * Runs one attempt and answers its ending, or null when it was cancelled or lost: then somebody else has
 * ended it. Never throws. A handler that does not heed its signal is not waited for.
 */
export async function runJob(run: Run): Promise<Ending | null> {
  const startedMs = performance.now();
  try {
    const definition = run.registry.find(run.job.kind);
    if (!definition) throw new PayloadError(`nobody here knows the kind "${run.job.kind}"`);
    const output = await raceInterruption(run, () => withTimeLimit(run, definition));
    if (output === INTERRUPTED)
      return run.controller.signal.reason === "released" ? releasedEnding(run.job, startedMs) : null;
    return { ...ending(run.job, startedMs), outcome: "completed", result: resultText(output) };
  } catch (thrown) {
    return { ...ending(run.job, startedMs), ...afterFailure(run, thrown) };
  }
}

/** Gives a job back unharmed: the next attempt is due at once, and this one does not count as a failure. */
export function releasedEnding(job: TakenJob, startedMs = performance.now()): Ending {
  return { ...ending(job, startedMs), outcome: "released", retryAfterMs: 0 };
}

async function raceInterruption(run: Run, start: () => Promise<unknown>): Promise<unknown> {
  const { signal } = run.controller;
  // Cancelled or lost while it waited here for its slot: whatever it did now, somebody else may be doing too.
  if (signal.aborted) return INTERRUPTED;
  const { promise, resolve } = Promise.withResolvers<typeof INTERRUPTED>();
  signal.addEventListener("abort", () => resolve(INTERRUPTED), { once: true });
  const work = start();
  // The loser of the race must not become an unhandled rejection.
  work.catch(() => undefined);
  return await Promise.race([work, promise]);
}

async function withTimeLimit(run: Run, definition: JobDefinition): Promise<unknown> {
  const limitMs = run.job.timeoutMs ?? definition.timeoutMs ?? run.defaultTimeoutMs;
  const timeout = new AbortController();
  const { promise: timedOut, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = new TimeoutError(`the attempt took longer than its limit of ${limitMs} ms`);
    timeout.abort(error);
    reject(error);
  }, limitMs);
  try {
    const signal = AbortSignal.any([run.controller.signal, timeout.signal]);
    return await Promise.race([callHandler(run, definition, signal), timedOut]);
  } finally {
    clearTimeout(timer);
  }
}

async function callHandler(
  { job, registry, reporter }: Run,
  definition: JobDefinition,
  signal: AbortSignal,
): Promise<unknown> {
  const payload = JSON.parse(job.payload);
  const [problem] = registry.checkPayload(job.kind, payload);
  if (problem) throw new PayloadError(`payload${problem.pointer}: ${problem.detail}`);
  const { id, kind, queue, userId, resourceId, maxAttempts, attempt } = job;
  const { progress, log, emit } = reporter;
  return await definition.run(payload, {
    job: { id, kind, queue, userId, resourceId, maxAttempts },
    attempt,
    signal,
    progress,
    log,
    emit,
  });
}

function ending(job: TakenJob, startedMs: number): Ending {
  const endedAtMs = performance.now();
  return {
    jobId: job.id,
    attempt: job.attempt,
    leaseId: job.leaseId,
    queue: job.queue,
    kind: job.kind,
    priority: job.priority,
    outcome: "completed",
    ranMs: endedAtMs - startedMs,
    endedAtMs,
    retryAfterMs: null,
    failures: job.failures,
    losses: job.losses,
    error: null,
    result: null,
  };
}

function afterFailure({ job, registry, random }: Run, thrown: unknown): Partial<Ending> {
  const failures = job.failures + 1;
  const policy = registry.find(job.kind)?.retry ?? DEFAULT_RETRY_POLICY;
  const again = mayHelp(thrown) && hasTriesLeft(failures, job.maxAttempts);
  const retryAfterMs = again ? (wishedDelayMs(thrown) ?? retryDelayMs(policy, failures, random())) : null;
  return { outcome: "failed", failures, retryAfterMs, error: storedError(thrown, reasonOf(thrown)) };
}

/** A payload or a result that does not fit today will not fit tomorrow. */
function mayHelp(thrown: unknown): boolean {
  if (thrown instanceof PayloadError || thrown instanceof ResultError) return false;
  return !(thrown instanceof HandlerError && thrown.retryAfter === false);
}

/** A handler's wish counts as long as it is a time: at least now, and no later than a year from now. */
function wishedDelayMs(thrown: unknown): number | undefined {
  if (!(thrown instanceof HandlerError) || typeof thrown.retryAfter !== "number") return undefined;
  return Number.isNaN(thrown.retryAfter)
    ? undefined
    : Math.min(Math.max(thrown.retryAfter, 0), MAX_WISHED_DELAY_MS);
}

const MAX_WISHED_DELAY_MS = 365 * 24 * 60 * 60 * 1000;

function reasonOf(thrown: unknown): string | undefined {
  if (thrown instanceof TimeoutError) return "timed_out";
  if (thrown instanceof PayloadError) return "invalid_payload";
  if (thrown instanceof ResultError) return "invalid_result";
  return undefined;
}

function resultText(output: unknown): string | null {
  if (output === undefined) return null;
  const text = jsonText(output);
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES) {
    throw new ResultError(`the result is larger than ${MAX_RESULT_BYTES} bytes`);
  }
  return text;
}

function jsonText(output: unknown): string {
  try {
    const text = JSON.stringify(output);
    if (text === undefined) throw new TypeError(`a ${typeof output} has no JSON form`);
    return text;
  } catch (error) {
    throw new ResultError("the result cannot be written as JSON", { cause: error });
  }
}
