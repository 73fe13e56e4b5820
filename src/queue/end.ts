import { noneIfNull, oneIfAlike } from "../db/arrays.ts";
import type { Database } from "../db/connect.ts";
import { insertNewKeys } from "../db/new_keys.ts";
import type { Ending } from "../job/outcome.ts";

/** An attempt, named as the fence knows it. */
export interface AttemptKey {
  jobId: string;
  attempt: number;
}

export interface End {
  /** Null where nobody knows any more who ran them. */
  workerId: string | null;
  endings: readonly Ending[];
  /** Leases all of whose jobs have ended, with these endings or with earlier ones. */
  doneLeases: readonly string[];
  /** `performance.now()` of this process, against which the endings' age is taken. */
  nowMs: number;
}

/**
 * Writes endings and, for those that ask for it, the block of the next attempt. Answers the attempts that
 * this call ended; one that is missing was ended by somebody else (cancelled, lost, or by an earlier try
 * of this very call), and its outcome counts for nothing.
 *
 * Guarantees: an attempt ends once, because `(job_id, attempt)` is the key of `attempts`; ending and next
 * attempt become visible at once; a repeat changes nothing. Keys go in sorted, as in every statement
 * that writes attempts, or two of them could wait for each other.
 */
export async function endAttempts(
  db: Database,
  { workerId, endings, doneLeases, nowMs }: End,
): Promise<AttemptKey[]> {
  const sorted = endings
    .toSorted(byKey)
    // Named twice in one call, an attempt would wait twice for its successor: the first ending counts.
    .filter((ending, place, all) => place === 0 || byKey(ending, all[place - 1]!) !== 0);
  // Most often all jobs stand in one lane: then none need be looked up to tell it.
  const oneLane = sorted.every(({ queue, kind }) => queue === sorted[0]!.queue && kind === sorted[0]!.kind);
  const [answer] = await insertNewKeys(
    db,
    (sql, onConflict) => sql<Answer[]>`
    with ending as materialized (
      select row.job_id,
        coalesce(row.attempt, sent.attempt[1]) as attempt, coalesce(row.queue, sent.queue[1]) as queue,
        coalesce(row.kind, sent.kind[1]) as kind, coalesce(row.priority, sent.priority[1]) as priority,
        coalesce(row.outcome, sent.outcome[1]) as outcome, coalesce(row.failures, sent.failures[1]) as failures,
        coalesce(row.losses, sent.losses[1]) as losses,
        row.ran_ms, row.age_ms, row.retry_after_ms, row.error, row.result, row.usage
      from (
        select
          ${oneIfAlike(sorted.map((ending) => ending.attempt))}::int4[] as attempt,
          ${oneIfAlike(sorted.map((ending) => ending.queue))}::text[] as queue,
          ${oneIfAlike(sorted.map((ending) => ending.kind))}::text[] as kind,
          ${oneIfAlike(sorted.map((ending) => ending.priority))}::int2[] as priority,
          ${oneIfAlike(sorted.map((ending) => ending.outcome))}::text[] as outcome,
          ${oneIfAlike(sorted.map((ending) => ending.failures))}::int2[] as failures,
          ${oneIfAlike(sorted.map((ending) => ending.losses))}::int2[] as losses,
          ${sorted.map((ending) => ending.jobId)}::uuid[] as job_id,
          ${sorted.map((ending) => toMicroseconds(ending.ranMs))}::float8[] as ran_ms,
          ${sorted.map((ending) => toMicroseconds(nowMs - ending.endedAtMs))}::float8[] as age_ms,
          ${noneIfNull(sorted.map((ending) => ending.retryAfterMs))}::float8[] as retry_after_ms,
          ${noneIfNull(sorted.map((ending) => ending.error && JSON.stringify(ending.error)))}::text[] as error,
          ${noneIfNull(sorted.map((ending) => ending.result))}::text[] as result,
          ${noneIfNull(sorted.map((ending) => ending.usage && JSON.stringify(ending.usage)))}::text[] as usage
        -- Keeps the planner from looking at the lists: for short ones it would make a plan anew each time, at the price of
        -- all the rest of the statement.
        offset 0
      ) sent
      cross join lateral unnest(
        sent.attempt, sent.queue, sent.kind, sent.priority, sent.outcome, sent.failures, sent.losses, sent.job_id,
        sent.ran_ms, sent.age_ms, sent.retry_after_ms, sent.error, sent.result, sent.usage
      ) as row (
        attempt, queue, kind, priority, outcome, failures, losses, job_id,
        ran_ms, age_ms, retry_after_ms, error, result, usage
      )
    ),
    known as materialized (
      -- One walk over the index for all of them, where a look for each would begin at its root.
      select id from jobsvc.jobs where id = any (array(select job_id from ending))
    ),
    ended as (
      insert into jobsvc.attempts (
        job_id, attempt, outcome, worker_id, started_at, finished_at, retry_at, error, result, usage
      )
      select job_id, attempt, outcome, ${workerId}::uuid,
        now() - (age_ms + ran_ms) * interval '1 millisecond',
        now() - age_ms * interval '1 millisecond',
        now() + retry_after_ms * interval '1 millisecond',
        error::jsonb, result::json, usage::jsonb
      from ending
      -- A deleted job has no history left that would fence its attempts. Counted first, because there are next to none.
      where (select count(*) from known) = (select count(*) from ending) or job_id in (select id from known)
      order by job_id, attempt
      ${onConflict}
      returning job_id, attempt, outcome, retry_at
    ),
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, losses, job_ids)
      select queue, kind, priority, ended.retry_at, attempt + 1, failures, losses, array_agg(job_id order by job_id)
      from ended
      join ending using (job_id, attempt)
      where ended.retry_at is not null
      group by queue, kind, priority, ended.retry_at, attempt, failures, losses
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select lane.queue, lane.kind, ended.outcome, count(*)
      from ended
      ${oneLane ? sql`cross join (select queue, kind from ending limit 1) lane` : sql`join ending lane using (job_id, attempt)`}
      where ended.retry_at is null
      group by lane.queue, lane.kind, ended.outcome
    ),
    given_back as (
      -- A lease that rescue holds right now is about to be deleted there; waiting for it could deadlock. One that was
      -- disowned is for rescue as well: nobody else ends what was broken off here because it seemed to be lost.
      delete from jobsvc.leases
      where id in (
        select id from jobsvc.leases
        where id = any (${[...doneLeases]}::uuid[]) and worker_id = ${workerId}::uuid
        for update skip locked
      )
    )
    select count(*)::int as ended, (
      -- Only when somebody else was first, which is rare: else all of them are told by their number.
      select json_agg(json_build_object('jobId', job_id, 'attempt', attempt))
      from ended
      where (select count(*) from ended) < ${sorted.length}::int
    ) as keys
    from ended`,
  );
  if (answer?.ended !== sorted.length) return answer?.keys ?? [];
  return sorted.map(({ jobId, attempt }) => ({ jobId, attempt }));
}

interface Answer {
  ended: number;
  keys: AttemptKey[] | null;
}

/** The clock of Postgres has no finer ones, and short numbers are read faster. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function byKey(a: AttemptKey, b: AttemptKey): number {
  return a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : a.attempt - b.attempt;
}
