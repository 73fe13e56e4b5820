import type { Database } from "../db/connect.ts";
import { type EventType, type Place, STEP } from "../job/event.ts";
import type { Outcome } from "../job/outcome.ts";

/** Somebody who reads a job's story, and how far they have come. */
export interface Reader extends Place {
  jobId: string;
  /** Sees jobs of this user only, if there is one. */
  userId: string | null;
}

/** One step of a job's story. */
export interface Step extends Place {
  type: "scheduled" | "available" | "started" | "ended" | EventType;
  at: string;
  /** How the attempt ended. */
  outcome: Outcome | null;
  /** When the job, or after an ending its next attempt, is or was due. */
  dueAt: string | null;
  /** What the attempt told: JSON text of an object. */
  data: string | null;
}

export interface News {
  /** In order. */
  steps: Step[];
  /** There is more to be read right now. */
  more: boolean;
  /** The job has ended: after these steps nothing comes, unless an operator retries it. */
  ended: boolean;
}

/** What one reader gets at a time: neither a long story nor long lines may hold up the others. */
const MAX_STEPS = 200;
const MAX_BYTES = 256 * 1024;

/**
 * What each reader has not read yet, in the order of the readers; undefined where there is no such job (any more).
 *
 * Guarantees: all of it stems from one snapshot, so who gets an ending has got everything that was told before it;
 * starts and endings reach late readers too. That a job waits is told only while it does.
 *
 * Reads a few exact ranges of keys for each reader. Who runs a job, for which there is no index, is asked only until
 * its attempt was seen to start.
 */
export async function readNews(db: Database, readers: readonly Reader[]): Promise<(News | undefined)[]> {
  const rows = await db.run(
    (sql) => sql<(News & { reader: number })[]>`
    select reader.number::int as reader, told.steps, told.more,
      last.attempt is not null and last.retry_at is null as ended
    from unnest(
      ${readers.map((reader) => reader.jobId)}::uuid[],
      ${readers.map((reader) => reader.userId)}::uuid[],
      ${readers.map((reader) => reader.attempt)}::int4[],
      ${readers.map((reader) => reader.step)}::int4[]
    ) with ordinality as reader (job_id, user_id, attempt, step, number)
    cross join lateral (
      select id, created_at
      from jobsvc.jobs
      where jobs.id = reader.job_id and (reader.user_id is null or jobs.user_id = reader.user_id)
      limit 1
    ) job
    left join lateral (
      select attempt, retry_at from jobsvc.attempts where job_id = job.id order by attempt desc limit 1
    ) last on true
    left join lateral (
      select state, ended_attempts + 1 as attempt, run_at, leased_at
      from jobsvc.job_states
      where job_states.id = job.id
        and not (
          reader.attempt > coalesce(last.attempt, 0)
          and reader.step between ${STEP.started}::int4 and ${STEP.ended - 1}::int4
        )
      limit 1
    ) standing on true
    cross join lateral (
      select
        coalesce(
          json_agg(json_build_object(
            'attempt', attempt, 'step', step, 'type', type, 'at', at, 'outcome', outcome, 'dueAt', due_at,
            'data', data::text
          ) order by attempt, step) filter (where bytes_before < ${MAX_BYTES}::int),
          '[]'
        ) as steps,
        count(*) = ${MAX_STEPS}::int or coalesce(bool_or(bytes_before >= ${MAX_BYTES}::int), false) as more
      from (
        -- The size as it is stored, for which nothing is read that does not go out.
        select step.*,
          sum(coalesce(pg_column_size(data), 0)) over (order by attempt, step) - coalesce(pg_column_size(data), 0) as bytes_before
        from (
          select standing.attempt, ${STEP.scheduled}::int4 as step, 'scheduled' as type, job.created_at as at,
            null as outcome, standing.run_at as due_at, null::json as data
          where standing.state = 'scheduled'
          union all
          select standing.attempt, ${STEP.available}::int4, 'available', standing.run_at, null, standing.run_at, null
          where standing.state = 'available'
          union all
          select standing.attempt, ${STEP.started}::int4, 'started', standing.leased_at, null, null, null
          where standing.state = 'running'
          union all
          (
            select attempt, ${STEP.started}::int4, 'started', started_at, null, null, null
            from jobsvc.attempts
            where job_id = job.id and started_at is not null
              and attempt >= reader.attempt and (attempt, ${STEP.started}::int4) > (reader.attempt, reader.step)
            order by attempt
            limit ${MAX_STEPS}
          )
          union all
          (
            select attempt, ${STEP.ended}::int4, 'ended', finished_at, outcome, retry_at, null
            from jobsvc.attempts
            where job_id = job.id
              and attempt >= reader.attempt and (attempt, ${STEP.ended}::int4) > (reader.attempt, reader.step)
            order by attempt
            limit ${MAX_STEPS}
          )
          union all
          (
            select attempt, seq, type, created_at, null, null, data
            from jobsvc.events
            where job_id = job.id and (attempt, seq) > (reader.attempt, reader.step)
            order by attempt, seq
            limit ${MAX_STEPS}
          )
        ) step
        where (attempt, step) > (reader.attempt, reader.step)
        order by attempt, step
        limit ${MAX_STEPS}
      ) step
    ) told`,
  );
  const news = new Map(rows.map(({ reader, ...row }) => [reader, row]));
  return readers.map((_, place) => news.get(place + 1));
}
