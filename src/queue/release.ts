import type { Database } from "../db/connect.ts";

/**
 * A worker's goodbye: everything it still holds goes back and can run elsewhere at once, and the worker is
 * gone. A released attempt does not count against `max_attempts`. Answers the queues that have work again,
 * with the number of jobs.
 */
export async function releaseJobs(db: Database, workerId: string): Promise<Map<string, number>> {
  const rows = await db.run(
    (sql) => sql<{ queue: string; jobs: number }[]>`
    with held as materialized (
      select * from jobsvc.leases where worker_id = ${workerId} order by id for update skip locked
    ),
    ended as (
      insert into jobsvc.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at, retry_at)
      select job.id, attempt, 'released', worker_id, leased_at, now(), now()
      from held
      cross join unnest(job_ids) as job (id)
      -- A job may be deleted while its lease stays for the sake of others.
      where exists (select from jobsvc.jobs where jobs.id = job.id)
      order by job.id, attempt
      on conflict do nothing
      returning job_id, attempt
    ),
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, losses, job_ids)
      select held.queue, held.kind, held.priority, now(), held.attempt + 1, held.failures, held.losses,
        array_agg(ended.job_id order by ended.job_id)
      from ended
      join (select *, unnest(job_ids) as job_id from held) held using (job_id, attempt)
      group by held.queue, held.kind, held.priority, held.attempt, held.failures, held.losses
      returning queue, size
    ),
    freed as (
      delete from jobsvc.leases where id in (select id from held)
    ),
    gone as (
      delete from jobsvc.workers where id = ${workerId}
    )
    select queue, sum(size)::int as jobs from again group by queue`,
  );
  return new Map(rows.map(({ queue, jobs }) => [queue, jobs]));
}
