/** 1 is taken first, 9 last. */
export const HIGHEST_PRIORITY = 1;
export const LOWEST_PRIORITY = 9;
export const DEFAULT_PRIORITY = 5;

export const DEFAULT_QUEUE = "default";

/** Three retries after the first try: with the default curve they cover about a minute and a half. */
export const DEFAULT_MAX_RETRIES = 3;
/** Above this a retry policy is an endless loop by another name. */
export const MAX_RETRIES_LIMIT = 1_000;

/** Queue and kind names: what reads well in a log line, a metric label and a URL path. */
export const MAX_NAME_LENGTH = 64;
export const NAME_PATTERN = `^[A-Za-z0-9][A-Za-z0-9_.:-]{0,${MAX_NAME_LENGTH - 1}}$`;

/** What a caller asks for. */
export interface AskedJob {
  kind: string;
  queue: string;
  priority: number;
  userId: string;
  resourceId: string;
  /** JSON text, kept exactly as it was sent. */
  payload: string;
  maxAttempts: number;
  scheduledAt: Date | null;
  timeoutMs: number | null;
  tags: readonly string[];
  metadata: Readonly<Record<string, unknown>>;
}

/** The same with its id, made by us (uuid v7) before the insert, so that an insert can be repeated. */
export interface NewJob extends AskedJob {
  id: string;
}

/** A job that was lost this often is suspected of killing its worker (see `queue/rescue.ts`). */
const SUSPECT_LOSSES = 2;

export function isSuspect({ losses }: Pick<TakenJob, "losses">): boolean {
  return losses >= SUSPECT_LOSSES;
}

/** A job as a worker holds it: what was asked, and where it stands on its way. */
export interface TakenJob {
  id: string;
  leaseId: string;
  kind: string;
  queue: string;
  priority: number;
  userId: string;
  resourceId: string;
  payload: string;
  maxAttempts: number;
  timeoutMs: number | null;
  /** W3C trace context of whoever asked for the job: the member `traceparent` of its metadata. */
  traceparent: string | null;
  /** The number of this try, from 1. Every try has one of its own, also after a snooze or a release. */
  attempt: number;
  /** Tries that failed before this one: only these count against `maxAttempts`. */
  failures: number;
  /** Tries that were lost with their worker before this one. */
  losses: number;
  /** From the moment when it was due until it was taken, by the database's clock. */
  waitedMs: number;
}
