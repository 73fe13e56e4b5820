import { OUTCOMES, type Outcome } from "../job/outcome.ts";
import type { AttemptKey } from "./end.ts";

/** An attempt that has an ending. */
export interface EndedAttempt extends AttemptKey {
  outcome: Outcome;
}

/** Payload: an attempt that somebody else than its worker has ended: job id, number and outcome, with spaces between. */
export const ENDED_CHANNEL = "jobsvc_ended";

/** Payload: the name of a queue that has work; after a space, since when some of it may be due that was committed only now. */
export const WORK_CHANNEL = "jobsvc_work";

/** What a payload of the channel says; undefined for what another version of the service may say. */
export function endedAttempt(payload: string): EndedAttempt | undefined {
  const [jobId = "", attempt, word] = payload.split(" ");
  const outcome = OUTCOMES.find((known) => known === word);
  return outcome && { jobId, attempt: Number(attempt), outcome };
}

/**
 * What a payload of the channel says. `sinceMs` is there for work that `jobsvc.insert_job` has put into the queue, in
 * milliseconds since 1970: the start of the caller's transaction, which may have been long ago.
 */
export function announcedWork(payload: string): { queue: string; sinceMs: number | undefined } {
  const [queue = "", sinceMs] = payload.split(" ");
  return { queue, sinceMs: sinceMs === undefined ? undefined : Number(sinceMs) };
}
