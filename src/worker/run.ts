import type { JobDefinition, Reporter } from "../handlers/define.ts";
import type { Registry } from "../handlers/registry.ts";
import type { TakenJob } from "../job/job.ts";
import { type Ending, MAX_RESULT_BYTES } from "../job/outcome.ts";
import { RawJson } from "../job/raw_json.ts";
import { readTraceparent } from "../job/traceparent.ts";
import { readUsage, type Usage } from "../job/usage.ts";
import { PayloadError, ResultError, TimeoutError, type Verdict, verdictOn } from "../job/verdict.ts";
import type { Breaker } from "./breaker.ts";

export interface Run {
  job: TakenJob;
  registry: Registry;
  /** Breaks it off: from outside (cancelled, lost, released), or here when its time is up. */
  breaker: Breaker;
  /** Takes what the handler tells. */
  reporter: Reporter;
  /** Time limit for a job that brings none and whose kind sets none. */
  defaultTimeoutMs: number;
  random: () => number;
  /** Hears that the kind's own retry function was of no use, and why. */
  complain: (error: unknown) => void;
}

/** What the handler says it has used up: it may be broken off before it can answer that. */
interface Meter {
  usage: Usage | null;
}

/** The attempt was broken off from outside. */
const INTERRUPTED = Symbol("interrupted");

/**
 * Runs one attempt and answers its ending, or null when it was cancelled or lost: then somebody else has
 * ended it. Never throws. A handler that does not heed its signal is not waited for.
 */
export async function runJob(run: Run): Promise<Ending | null> {
  const startedMs = performance.now();
  const meter: Meter = { usage: null };
  try {
    const definition = run.registry.find(run.job.kind);
    if (!definition) throw new PayloadError(`nobody here knows the kind "${run.job.kind}"`);
    const output = await untilBroken(run, definition, meter);
    if (output === INTERRUPTED)
      return run.breaker.reason === "released" ? { ...releasedEnding(run.job, startedMs), ...meter } : null;
    return { ...ending(run.job, startedMs), ...meter, outcome: "completed", result: resultText(output) };
  } catch (thrown) {
    return { ...ending(run.job, startedMs), ...meter, ...verdict(run, thrown) };
  }
}

/** Gives a job back unharmed: the next attempt is due at once, and this one does not count as a failure. */
export function releasedEnding(job: TakenJob, startedMs = performance.now()): Ending {
  return { ...ending(job, startedMs), outcome: "released", retryAfterMs: 0 };
}

/**
 * What the handler answers, or what breaks it off before. One promise and one timer, and nothing else is made for the
 * break: for jobs of microseconds each promise counts.
 */
function untilBroken(run: Run, definition: JobDefinition, meter: Meter): Promise<unknown> {
  const { job, breaker } = run;
  return new Promise((resolve, reject) => {
    function broken() {
      clearTimeout(timer);
      if (breaker.reason instanceof TimeoutError) reject(breaker.reason);
      else resolve(INTERRUPTED);
    }
    const limitMs = job.timeoutMs ?? definition.timeoutMs ?? run.defaultTimeoutMs;
    const timer = setTimeout(() => breaker.abort(new TimeoutError(limitMs)), limitMs);
    // Cancelled or lost while it waited here for its slot: whatever it did now, somebody else may be doing too.
    if (breaker.reason !== undefined) return broken();
    breaker.onBreak = broken;
    callHandler(run, definition, meter)
      .then(resolve, reject)
      .then(() => clearTimeout(timer));
  });
}

async function callHandler(
  { job, registry, reporter, breaker }: Run,
  definition: JobDefinition,
  meter: Meter,
): Promise<unknown> {
  const payload = JSON.parse(job.payload);
  const [problem] = registry.checkPayload(job.kind, payload);
  if (problem) throw new PayloadError(`payload${problem.pointer}: ${problem.detail}`);
  const { id, kind, queue, userId, resourceId, maxAttempts, payload: payloadText, leaseId, attempt } = job;
  const traceparent = readTraceparent(job.traceparent);
  const { progress, log, emit } = reporter;
  return await definition.run(payload, {
    job: { id, kind, queue, userId, resourceId, maxAttempts, payloadText, leaseId, traceparent },
    attempt,
    get signal() {
      return breaker.signal;
    },
    progress,
    log,
    emit,
    spent(usage) {
      meter.usage = readUsage(usage);
    },
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
    usage: null,
  };
}

function verdict({ job, registry, random, complain }: Run, thrown: unknown): Verdict {
  const { failures, maxAttempts } = job;
  const retry = registry.find(job.kind)?.retry;
  return verdictOn(thrown, { retry, failures, maxAttempts, random: random(), complain });
}

function resultText(output: unknown): string | null {
  if (output === undefined) return null;
  const text = output instanceof RawJson ? output.text : jsonText(output);
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
