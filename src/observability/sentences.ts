import type { Outcome } from "../job/outcome.ts";
import type { EventName, Events } from "./events.ts";

/** From the least to the most important. */
export const LEVELS = ["debug", "info", "warn", "error"] as const;

export type Level = (typeof LEVELS)[number];

type Sentence<Fields> = [Level | ((fields: Fields) => Level), (fields: Fields) => string];

/** How every event reads: how much it matters, and what a person is told. All the sentences of the log are here. */
export const SENTENCES: { [Name in EventName]: Sentence<Events[Name]> } = {
  "job.started": ["info", (job) => `${job.kind} started, attempt ${job.attempt}`],
  "job.ended": [ending, (job) => `${job.kind} ${job.outcome} after ${ms(job.ms)}`],
  "job.retrying": [ending, (job) => `${job.kind} ${job.outcome}, next attempt in ${ms(job.retry_in_ms)}`],
  "job.broken_off": [ending, (job) => `${job.kind} was ended as ${job.outcome} after ${ms(job.ms)}`],
  "job.taken": ["info", (job) => `${job.kind} was taken over HTTP, attempt ${job.attempt}`],
  "job.reported": [ending, (job) => `${job.kind} ${job.outcome} after ${ms(job.ms)}, says its worker`],
  "job.timed_out": ["warn", (job) => `${job.kind} had not ended after ${ms(job.ms)}: its time was over`],
  "job.ending_lost": [
    "warn",
    (job) => `${job.kind} ended too late: somebody else had ended attempt ${job.attempt}`,
  ],

  "handler.retry_failed": ["error", (job) => `the retry function of ${job.kind} failed: the curve decides`],
  "handler.terminated": [
    "warn",
    (job) => `${job.kind} went on after it was told to stop (${job.reason}): its thread was ended`,
  ],

  "reports.dropped": ["warn", (job) => `${job.kind} told too much: ${job.lines} lines were dropped`],
  "reports.refused": ["info", (told) => `${told.lines} lines came after the end of their attempts`],

  "worker.started": ["info", (worker) => `taking jobs from ${worker.queues}`],
  "worker.draining": ["info", (worker) => `taking no more jobs, waiting for ${worker.running} running ones`],
  "worker.stopped": ["info", () => "took its leave"],
  "worker.leases_lost": ["warn", (worker) => `was taken for dead and lost ${worker.leases} leases`],
  "worker.gave_back": [
    "info",
    (worker) =>
      `gave back ${worker.jobs} jobs of ${worker.queue}: the slots stay busy for longer than before`,
  ],
  "worker.stalled": ["warn", (worker) => `the event loop did not turn for ${ms(worker.ms)}`],

  "jobs.rescued": [
    "warn",
    (jobs) =>
      `rescued ${jobs.lost} lost jobs, gave up ${jobs.crashed} that crash workers and ${jobs.failed} that must not run twice`,
  ],
  "jobs.pruned": ["info", (jobs) => `removed ${jobs.jobs} old jobs`],

  "notifications.degraded": ["warn", (why) => `works by polling alone: ${why.reason}`],
  "database.migrated": [
    "info",
    (schema) => `the schema is up to date; applied ${schema.applied || "nothing"}`,
  ],
  "database.embedded": [
    "warn",
    (embedded) => `embedded PostgreSQL on ${embedded.data_dir}: for production, set DATABASE_URL`,
  ],

  "http.request": [request, (http) => `${http.method} ${http.path} ${http.status} in ${ms(http.ms)}`],
  "request.failed": ["error", () => "a request failed in a way that nobody foresaw"],
  "step.failed": ["error", (step) => `${step.step} failed and will be tried again`],

  "handler.loaded": ["info", ({ kind, file }) => `loaded the kind ${kind} from ${file}`],
  "log.dropped": ["warn", ({ lines }) => `nobody read this log for a while: ${lines} lines were dropped`],
  "process.started": ["info", (process) => `jobsvc ${process.version} runs as ${process.role}`],
  "process.stopping": ["info", (process) => `stopping on ${process.signal}`],
  "process.failed": ["error", () => "cannot go on"],
  "process.stopped": ["info", (process) => `stopped within ${ms(process.ms)}`],
};

/** Failures are an operator's business; what was stopped, snoozed or cancelled was somebody's wish. */
function ending({ outcome }: { outcome: Outcome }): Level {
  return outcome === "failed" || outcome === "lost" ? "warn" : "info";
}

/** Probes come every few seconds for ever: a line for each would bury the others. */
function request({ path, status }: Events["http.request"]): Level {
  if (status >= 500) return "warn";
  return path === "/livez" || path === "/readyz" || path === "/api/health" || path === "/metrics"
    ? "debug"
    : "info";
}

/** What is quick is told to the tenth: "0 ms" would say that nothing was measured. */
function ms(value: number): string {
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ms`;
}
