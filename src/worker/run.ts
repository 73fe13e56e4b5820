import type { JobDefinition, JobInfo } from "../handlers/define.ts";
import type { Registry } from "../handlers/registry.ts";
import { revived } from "../job/errors.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { resultText } from "../job/result.ts";
import { readTraceparent } from "../job/traceparent.ts";
import { readUsage, type Usage } from "../job/usage.ts";
import { PayloadError, TimeoutError, type Verdict, verdictOn } from "../job/verdict.ts";
import type { Breaker } from "./breaker.ts";
import type { OnTheWay } from "./handler_thread.ts";
import type { Report } from "./reports.ts";
import type { Threads } from "./threads.ts";

export interface Run {
  job: TakenJob;
  registry: Registry;
  /** Where handlers run that want a thread. */
  threads: Threads;
  /** Breaks it off: from outside (cancelled, lost, released), or here when its time is up. */
  breaker: Breaker;
  /** Takes what the handler tells. */
  reporter: Omit<Report, "close">;
  /** Time limit for a job that brings none and whose kind sets none. */
  defaultTimeoutMs: number;
  random: () => number;
  /** Hears that the kind's own retry function was of no use, and why. */
  complain: (error: unknown) => void;
  /** Hears what an attempt had used up that somebody else has ended. */
  spentInVain: (usage: Usage) => void;
}

/** What is noted while a handler runs: it may be broken off before it can answer anything. */
interface Notes {
  /** When it began. */
  startedMs: number;
  /** What it says it has used up. */
  usage: Usage | null;
}

/** The attempt was broken off from outside. */
const INTERRUPTED = Symbol("interrupted");

/** A thread that takes longer than this to load its handler, and longer than the job may take, never will. */
const THREAD_START_LIMIT_MS = 30_000;

/**
 * Runs one attempt and answers its ending, or null when it was cancelled or lost: then somebody else has
 * ended it. Never throws. A handler that does not heed its signal is not waited for.
 */
export async function runJob(run: Run): Promise<Ending | null> {
  const { job, registry, breaker } = run;
  const notes: Notes = { startedMs: performance.now(), usage: null };
  try {
    const definition = registry.find(job.kind);
    if (!definition) throw new PayloadError(`nobody here knows the kind "${job.kind}"`);
    const result = await untilBroken(run, definition, notes);
    if (result === INTERRUPTED && breaker.reason === "released") return releasedEnding(job, notes);
    if (result === INTERRUPTED) {
      if (notes.usage) run.spentInVain(notes.usage);
      return null;
    }
    if (result !== null && typeof result === "object") return { ...ending(job, notes), ...result };
    return Object.assign(ending(job, notes), { result });
  } catch (thrown) {
    return { ...ending(job, notes), ...verdict(run, thrown) };
  }
}

/** Gives a job back unharmed: the next attempt is due at once, and this one does not count as a failure. */
export function releasedEnding(
  job: TakenJob,
  notes: Notes = { startedMs: performance.now(), usage: null },
): Ending {
  return { ...ending(job, notes), outcome: "released", retryAfterMs: 0 };
}

/** The JSON text of a result, or what a thread made of an error. */
type Brought = string | null | Verdict;

/**
 * What the handler brings, or what breaks it off before. One promise and one timer, and nothing else is made for the
 * break: for jobs of microseconds each promise counts.
 */
function untilBroken(
  run: Run,
  definition: JobDefinition,
  notes: Notes,
): Promise<Brought | typeof INTERRUPTED> {
  const { job, breaker } = run;
  return new Promise((resolve, reject) => {
    function broken() {
      clearTimeout(timer);
      if (breaker.reason instanceof TimeoutError) reject(breaker.reason);
      else resolve(INTERRUPTED);
    }
    function timeUp() {
      breaker.abort(new TimeoutError(allowedMs));
    }
    function startInThread() {
      clearTimeout(timer);
      allowedMs = limitMs;
      timer = setTimeout(timeUp, allowedMs);
      notes.startedMs = performance.now();
    }
    const limitMs = job.timeoutMs ?? definition.timeoutMs ?? run.defaultTimeoutMs;
    let allowedMs = definition.thread ? Math.max(limitMs, THREAD_START_LIMIT_MS) : limitMs;
    let timer = setTimeout(timeUp, allowedMs);
    // Cancelled or lost while it waited here for its slot: whatever it did now, somebody else may be doing too.
    if (breaker.reason !== undefined) return broken();
    breaker.onBreak = broken;
    const work = definition.thread
      ? callThread(run, notes, startInThread)
      : callHandler(run, definition, notes);
    work.then(resolve, reject).then(() => clearTimeout(timer));
  });
}

async function callHandler(run: Run, definition: JobDefinition, notes: Notes): Promise<Brought> {
  const { job, reporter, breaker } = run;
  const { progress, log, emit } = reporter;
  const output = await definition.run(payloadOf(run), {
    job: infoOf(job),
    attempt: job.attempt,
    get signal() {
      return breaker.signal;
    },
    progress,
    log,
    emit,
    spent(usage) {
      notes.usage = readUsage(usage);
    },
  });
  return resultText(output);
}

async function callThread(run: Run, notes: Notes, start: () => void): Promise<Brought> {
  const { job, threads, breaker, reporter, complain } = run;
  payloadOf(run);

  function hear(message: OnTheWay) {
    // Once broken off, a handler that still runs tells nothing any more.
    if (breaker.reason !== undefined) return;
    if (message.type === "started") start();
    else if (message.type === "told") reporter.tell(message.event, message.data);
    else if (message.type === "untold") reporter.miss(message.lines);
    else notes.usage = message.usage;
  }

  const task = { job: infoOf(job), attempt: job.attempt, failures: job.failures };
  const answer = await threads.run({ job, task, breaker, hear });
  if (answer.type === "returned") return answer.result;
  if (answer.complaint) complain(revived(answer.complaint));
  return answer.verdict;
}

function payloadOf({ job, registry }: Run): unknown {
  const payload = JSON.parse(job.payload);
  const [problem] = registry.checkPayload(job.kind, payload);
  if (problem) throw new PayloadError(`payload${problem.pointer}: ${problem.detail}`);
  return payload;
}

function infoOf(job: TakenJob): JobInfo {
  const { id, kind, queue, userId, resourceId, maxAttempts, payload: payloadText, leaseId } = job;
  const traceparent = readTraceparent(job.traceparent);
  return { id, kind, queue, userId, resourceId, maxAttempts, payloadText, leaseId, traceparent };
}

function ending(job: TakenJob, { startedMs, usage }: Notes): Ending {
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
    usage,
  };
}

function verdict({ job, registry, random, complain }: Run, thrown: unknown): Verdict {
  const { failures, maxAttempts } = job;
  const retry = registry.find(job.kind)?.retry;
  return verdictOn(thrown, { retry, failures, maxAttempts, random: random(), complain });
}
