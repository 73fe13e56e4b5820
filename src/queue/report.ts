import type { Database } from "../db/connect.ts";
import type { EventType } from "../job/event.ts";
import type { AttemptKey } from "./end.ts";

/** Something that a running attempt told. */
export interface Line extends AttemptKey {
  /** From 1, numbered by the process that runs the attempt. */
  seq: number;
  type: EventType;
  /** JSON text of an object, without line breaks. */
  data: string;
}

/**
 * Writes what running attempts told. Answers how many lines were refused because their attempt has an ending.
 *
 * Guarantees: a repeat changes nothing, because an attempt's lines are numbered where they are told; who sees a line
 * sees those before it, as long as the caller writes one group after the other; whoever was taken for dead or cancelled
 * adds nothing to an attempt that has ended, or to a job that has been deleted since. A line that is on its way in the very moment of that ending may still get in.
 */
export async function reportLines(db: Database, lines: readonly Line[]): Promise<number> {
  const [answer] = await db.run(
    (sql) => sql<{ refused: number }[]>`
    with line as materialized (
      select *
      from unnest(
        ${lines.map((line) => line.jobId)}::uuid[],
        ${lines.map((line) => line.attempt)}::int4[],
        ${lines.map((line) => line.seq)}::int4[],
        ${lines.map((line) => line.type)}::text[],
        ${lines.map((line) => line.data)}::text[]
      ) as line (job_id, attempt, seq, type, data)
    ),
    open as materialized (
      select line.*
      from line
      join (
        select attempt.*
        from (select distinct job_id, attempt from line) attempt
        cross join lateral (select from jobsvc.jobs where jobs.id = attempt.job_id limit 1) job
        left join lateral (
          select true as ended
          from jobsvc.attempts
          where attempts.job_id = attempt.job_id and attempts.attempt = attempt.attempt
          limit 1
        ) ending on true
        where ending.ended is null
      ) running using (job_id, attempt)
    ),
    written as (
      insert into jobsvc.events (job_id, attempt, seq, type, data)
      select job_id, attempt, seq, type, data::json from open order by job_id, attempt, seq
      on conflict do nothing
    )
    select (select count(*) from line)::int - (select count(*) from open)::int as refused`,
  );
  return answer?.refused ?? 0;
}
