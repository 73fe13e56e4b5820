import type { Registry } from "../handlers/registry.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import type { Emit, Events } from "../observability/events.ts";
import type { Breaker } from "./breaker.ts";
import type { Endings } from "./endings.ts";
import type { Interruption } from "./holdings.ts";
import type { Reports } from "./reports.ts";
import { runJob } from "./run.ts";
import type { Threads } from "./threads.ts";

export interface SlotParts {
  workerId: string;
  registry: Registry;
  reports: Reports;
  threads: Threads;
  emit: Emit;
  endings: Pick<Endings, "spentInVain">;
  defaultTimeoutMs: number;
}

/** A job that was taken, and what breaks it off. */
export interface Held {
  job: TakenJob;
  breaker: Breaker;
}

/**
 * Runs one attempt, and tells log and metrics how it begins and ends. Answers its ending, or null when somebody else has
 * ended it, as soon as everything that the handler told is written. Never throws.
 */
export async function runInSlot(parts: SlotParts, { job, breaker }: Held): Promise<Ending | null> {
  const { workerId, registry, reports, threads, emit, endings, defaultTimeoutMs } = parts;
  // Events of every job are made in one piece each: copied from a common part they cost more than the job may take.
  emit("job.started", {
    job_id: job.id,
    kind: job.kind,
    queue: job.queue,
    attempt: job.attempt,
    worker_id: workerId,
    waited_ms: Math.round(job.waitedMs),
  });
  const startedMs = performance.now();
  const report = reports.open(job);
  const ending = await runJob({
    job,
    registry,
    threads,
    breaker,
    reporter: report,
    defaultTimeoutMs,
    random: Math.random,
    complain: (error) => emit("handler.retry_failed", { ...namesOf(job, workerId), error }),
    spentInVain: (usage) => endings.spentInVain(job, usage),
  });
  if (ending) {
    emitEnding(parts, job, ending);
  } else {
    const outcome = breaker.reason as Interruption;
    const ms = Math.round(performance.now() - startedMs);
    emit("job.broken_off", { ...namesOf(job, workerId), outcome, ms });
  }
  const told = report.close();
  if (told) await told;
  return ending;
}

function emitEnding({ emit, workerId }: SlotParts, job: TakenJob, ending: Ending) {
  const { outcome, ranMs, retryAfterMs, error } = ending;
  const told: Events["job.ended"] = {
    job_id: job.id,
    kind: job.kind,
    queue: job.queue,
    attempt: job.attempt,
    worker_id: workerId,
    outcome,
    ms: Math.round(ranMs),
  };
  if (error) told.error = `${error.name}: ${error.message}`;
  if (retryAfterMs === null) emit("job.ended", told);
  else emit("job.retrying", { ...told, retry_in_ms: Math.round(retryAfterMs) });
}

function namesOf({ id, kind, queue, attempt }: TakenJob, workerId: string) {
  return { job_id: id, kind, queue, attempt, worker_id: workerId };
}
