import type { PendingQuery, Row } from "postgres";
import type { Sql } from "../db/connect.ts";
import { MAX_NAME_LENGTH } from "../job/job.ts";
import { OUTCOMES, type Outcome } from "../job/outcome.ts";
import type { AttemptKey } from "./end.ts";

/** An attempt that has an ending. */
export interface EndedAttempt extends AttemptKey {
  outcome: Outcome;
}

/** Payload: an attempt that somebody else than its worker has ended: job id, number and outcome, with spaces between. */
export const ENDED_CHANNEL = "jobsvc_ended";

/**
 * Payload: the names of queues that have work, with commas between; after a space, since when some of it may be due that
 * was committed only now.
 */
export const WORK_CHANNEL = "jobsvc_work";

/** What a payload of the channel says; undefined for what another version of the service may say. */
export function endedAttempt(payload: string): EndedAttempt | undefined {
  const [jobId = "", attempt, word] = payload.split(" ");
  const outcome = OUTCOMES.find((known) => known === word);
  return outcome && { jobId, attempt: Number(attempt), outcome };
}

/** The payload of a notification is bounded to 8,000 bytes by Postgres. */
const QUEUES_IN_PAYLOAD = Math.floor(8_000 / (MAX_NAME_LENGTH + 1));

/**
 * Tells of the queues that `queues` answers, in as few notifications as it takes: each of them goes to each process that
 * listens, whatever queues that works on.
 */
export function notifyWork(sql: Sql, queues: PendingQuery<Row[]>): PendingQuery<Row[]> {
  return sql`
      select pg_notify(${WORK_CHANNEL}, string_agg(queue, ','))
      from (select queue, row_number() over () as place from (${queues}) queues) told
      group by place / ${QUEUES_IN_PAYLOAD}::int`;
}

/**
 * What a payload of the channel says. `sinceMs` is there for work that `jobsvc.insert_job` has put into the queue, in
 * milliseconds since 1970: the start of the caller's transaction, which may have been long ago.
 */
export function announcedWork(payload: string): { queues: string[]; sinceMs: number | undefined } {
  const [queues = "", sinceMs] = payload.split(" ");
  return { queues: queues.split(","), sinceMs: sinceMs === undefined ? undefined : Number(sinceMs) };
}
