import type { Static, TSchema } from "@sinclair/typebox";
import type { RetryDecision, RetryPolicy } from "../job/retry.ts";
import type { Usage } from "../job/usage.ts";

/** What a handler may know of the job that it runs. */
export interface JobInfo {
  id: string;
  kind: string;
  queue: string;
  userId: string;
  resourceId: string;
  maxAttempts: number;
  /** The payload as it was sent, character by character: a parser rounds long numbers. */
  payloadText: string;
  /** Under which its worker holds it. */
  leaseId: string;
  /** W3C trace context of whoever asked for the job. */
  traceparent: string | null;
}

/**
 * What a handler tells while it runs, for whoever watches the job. None of these throws or waits: what is too much or too
 * large is dropped, and a line in its place says so.
 */
export interface Reporter {
  /** How much is done, from 0 to 100. */
  progress(percent: number, message?: string): void;
  /** A line for people. */
  log(message: string, fields?: Record<string, unknown>): void;
  /** A piece of output, any JSON value, before the result is there. */
  emit(chunk: unknown): void;
}

export interface JobContext extends Reporter {
  job: JobInfo;
  /** The number of this try, from 1. */
  attempt: number;
  /** Aborted when the job's time is up, when it is cancelled, when its lease is lost, and at shutdown. */
  signal: AbortSignal;
  /** What the attempt has used up of a model so far; told once more, the new numbers replace the old ones. */
  spent(usage: Usage): void;
}

/** A kind of job: how its payload looks and what is done with it. */
export interface JobDefinition<Payload extends TSchema = TSchema> {
  kind: string;
  payload: Payload;
  /** Where a job waits that names no queue. */
  queue?: string;
  /** Time limit of one attempt, unless the job brings its own. */
  timeoutMs?: number;
  /** How often a job is tried, the first time included, unless it brings its own number of retries. */
  maxAttempts?: number;
  /** How long to wait after a failure: a policy, or a function that decides on each. The default is n^4 seconds. */
  retry?: RetryPolicy | RetryDecision;
  /**
   * What becomes of a job whose process dies with it: the default is to run it again; `fail` is for work that must not
   * be done twice, and ends it as failed with the reason `lost`. A process that stops in order gives its jobs back.
   */
  onLost?: "retry" | "fail";
  /**
   * Runs each job in a thread, apart from everything else: for what computes long, or may hang. The thread of a handler
   * that does not heed its signal is ended.
   */
  thread?: boolean;
  /** What it returns becomes the job's result; what it throws becomes the attempt's error. */
  run(payload: Static<Payload>, context: JobContext): unknown;
}

/** Gives `run` the type of its payload; does nothing else. */
export function defineJob<Payload extends TSchema>(
  definition: JobDefinition<Payload>,
): JobDefinition<Payload> {
  return definition;
}
