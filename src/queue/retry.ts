import type { Database } from "../db/connect.ts";

export type RetryAnswer = "retried" | "not_final" | "not_found";

/**
 * An operator's second chance for a job that has ended: marks its last ending as retried and lets the next
 * attempt wait. The mark is the guard: two clicks give one retry.
 *
 * A job that has used up its attempts gets one more; earlier losses are forgiven.
 */
export async function retryJob(db: Database, id: string): Promise<RetryAnswer> {
  const [answer] = await db.run(
    (sql) => sql<{ known: boolean; queue: string | null }[]>`
    with last as materialized (
      select attempt from jobsvc.attempts where job_id = ${id} order by attempt desc limit 1
    ),
    reopened as (
      update jobsvc.attempts set retry_at = now()
      from last
      where attempts.job_id = ${id} and attempts.attempt = last.attempt and attempts.retry_at is null
      returning attempts.attempt, attempts.outcome
    ),
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, job_ids)
      select jobs.queue, jobs.kind, jobs.priority, now(), reopened.attempt + 1,
        least(failed.count, jobs.max_attempts - 1), array[jobs.id]
      from reopened
      cross join jobsvc.jobs
      cross join (
        select count(*) from jobsvc.attempts where job_id = ${id} and outcome = 'failed'
      ) failed
      where jobs.id = ${id}
      returning queue
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select jobs.queue, jobs.kind, reopened.outcome, -1 from reopened cross join jobsvc.jobs where jobs.id = ${id}
    )
    select exists (select from jobsvc.jobs where jobs.id = ${id}) as known, (select queue from again) as queue`,
  );
  if (!answer?.known) return "not_found";
  return answer.queue ? "retried" : "not_final";
}
