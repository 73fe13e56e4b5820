import type { Outcome } from "../job/outcome.ts";

interface JobFields {
  job_id: string;
  kind: string;
  queue: string;
  attempt: number;
  worker_id: string;
}

/** Everything worth telling, with its fields as they appear in a log line. Log and metrics listen to the same events. */
export interface Events {
  "job.started": JobFields & { waited_ms: number };
  "job.ended": JobFields & { outcome: Outcome; ms: number; error?: string };
  "job.retrying": JobFields & { outcome: Outcome; ms: number; retry_in_ms: number; error?: string };
  /** Somebody else has ended the attempt while it ran: it was cancelled, its lease was lost, or whoever does the work told. */
  "job.broken_off": JobFields & { outcome: Outcome; ms: number };
  /** A worker over HTTP took it from this process, and reported to it how it ended; that may be two processes. */
  "job.taken": JobFields & { waited_ms: number };
  "job.reported": JobFields & { outcome: Outcome; ms: number; retry_in_ms?: number; error?: string };
  /** Its time was over, and nobody had ended it. */
  "job.timed_out": JobFields & { ms: number; retry_in_ms?: number };
  /** The ending came too late: the attempt had been ended by somebody else, and the handler's work is dropped. */
  "job.ending_lost": JobFields & { outcome: Outcome };
  /** The kind's own retry function threw, or answered what is no time: the curve has decided instead. */
  "handler.retry_failed": JobFields & { error: unknown };
  /** A handler in a thread did not heed its signal, and its thread was ended. */
  "handler.terminated": JobFields & { reason: string };
  /** What the attempt told was too much, too large or not writable. */
  "reports.dropped": JobFields & { lines: number };
  /** Told by attempts that had been ended by somebody else. */
  "reports.refused": { worker_id: string; lines: number };
  "worker.started": { worker_id: string; queues: string; kinds: string };
  "worker.draining": { worker_id: string; running: number };
  "worker.stopped": { worker_id: string };
  /** The others took this worker for dead: the leases it held are theirs now. */
  "worker.leases_lost": { worker_id: string; leases: number };
  /** Jobs that were taken ahead of their slots, which are busy for longer than those before them were. */
  "worker.gave_back": { worker_id: string; queue: string; jobs: number };
  "worker.stalled": { worker_id: string; ms: number };
  /** Jobs lost with their worker: those that run again, that were lost too often, and whose kind is not run twice. */
  "jobs.rescued": { lost: number; crashed: number; failed: number };
  "jobs.pruned": { jobs: number };
  "notifications.degraded": { reason: string };
  "database.migrated": { applied: string };
  "database.embedded": { data_dir: string; ms: number };
  /** `route` is the path as the service knows it (`/api/jobs/:id`); `none` where it leads nowhere. */
  "http.request": {
    method: string;
    path: string;
    route: string;
    status: number;
    ms: number;
    request_id: string;
  };
  "handler.loaded": { kind: string; file: string };
  /** Nobody took the lines of this very log for a while; there is room again. */
  "log.dropped": { lines: number };
  "process.started": { role: string; version: string };
  "process.stopping": { signal: string };
  "process.stopped": { ms: number };
  /** The process could not start, or could not end as it should. */
  "process.failed": { error: unknown };
  /** A background step failed and will be tried again; the request or job it belongs to is not harmed. */
  "step.failed": { step: string; error: unknown };
  /** Something we did not foresee: answered as "internal" and told here in full. */
  "request.failed": { request_id: string; error: unknown };
}

export type EventName = keyof Events;

export type Emit = <Name extends EventName>(name: Name, fields: Events[Name]) => void;
