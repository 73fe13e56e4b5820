import type { JobDefinition, Reporter } from "../handlers/define.ts";
import type { Registry } from "../handlers/registry.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { PayloadError, ResultError, TimeoutError, type Verdict, verdictOn } from "./verdict.ts";

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
  /** Hears that the kind's own retry function was of no use, and why. */
  complain: (error: unknown) => void;
}

/** A result is for reading, not for storage: larger outputs belong where the handler can put them. */
const MAX_RESULT_BYTES = 1024 * 1024;

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
    return { ...ending(run.job, startedMs), ...verdict(run, thrown) };
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

function verdict({ job, registry, random, complain }: Run, thrown: unknown): Verdict {
  const { failures, maxAttempts } = job;
  const retry = registry.find(job.kind)?.retry;
  return verdictOn(thrown, { retry, failures, maxAttempts, random: random(), complain });
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
