import type { Database } from "../db/connect.ts";
import { notifyWork } from "./channels.ts";
import { withdrawCancelled } from "./withdraw.ts";

export type RetryAnswer = "retried" | "not_final" | "not_found";

/**
 * An operator's second chance for a job that has ended: marks its last ending as retried and lets the next
 * attempt wait. The mark is the guard: two clicks give one retry. With a `userId`, jobs of other users are not found.
 *
 * A job that has used up its attempts gets one more; earlier losses are forgiven.
 */
export async function retryJob(db: Database, id: string, userId: string | null = null): Promise<RetryAnswer> {
  const [answer = "not_found"] = (await retryJobs(db, [id], userId)).values();
  return answer;
}

/** The same for many: each job by itself is retried or not. */
export async function retryJobs(
  db: Database,
  ids: readonly string[],
  userId: string | null = null,
): Promise<Map<string, RetryAnswer>> {
  // Else one that was left in its block when it was cancelled would stand in two, and count twice until that is taken.
  await withdrawCancelled(db, ids);
  const rows = await db.run(
    (sql) => sql<{ id: string; retried: boolean }[]>`
    with known as materialized (
      select jobs.id, jobs.queue, jobs.kind, jobs.priority, jobs.max_attempts, last.attempt, failed.count as failures
      from jobsvc.jobs
      left join lateral (
        select attempt from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
      ) last on true
      cross join lateral (
        select count(*) from jobsvc.attempts where job_id = jobs.id and outcome = 'failed'
      ) failed
      where jobs.id = any (${[...ids]}::uuid[]) and (${userId}::uuid is null or jobs.user_id = ${userId})
    ),
    reopened as (
      update jobsvc.attempts set retry_at = now()
      from known
      where attempts.job_id = known.id and attempts.attempt = known.attempt and attempts.retry_at is null
      returning known.*, attempts.outcome
    ),
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, job_ids)
      select queue, kind, priority, now(), attempt + 1, least(failures, max_attempts - 1), array[id]
      from reopened
      order by id
      returning queue
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, outcome, -count(*) from reopened group by queue, kind, outcome
    ),
    told as materialized (
      ${notifyWork(sql, sql`select distinct queue from again`)}
    )
    select known.id, reopened.id is not null as retried
    from known
    left join reopened using (id)
    cross join (select count(*) from told) all_told`,
  );
  return new Map(rows.map(({ id, retried }) => [id, retried ? "retried" : "not_final"]));
}
