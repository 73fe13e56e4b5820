import type { Database } from "../db/connect.ts";
import { cancelledPlaces } from "./withdraw.ts";

/** How long finished jobs are kept, by the outcome of their last attempt. */
export interface Retention {
  completedHours: number;
  cancelledHours: number;
  failedHours: number;
}

export interface Prune {
  retention: Retention;
  /** Jobs a statement looks at: short transactions, however much has piled up. */
  limit: number;
  /** Where the last page ended; the nil uuid to begin with. */
  after: string;
}

export interface Pruned {
  jobs: number;
  /** Where the next page begins, or null when everything old has been looked at. */
  next: string | null;
}

export const FIRST_PAGE = "00000000-0000-0000-0000-000000000000";

/**
 * Deletes a page of jobs that ended longer ago than their outcome is kept, with all of their attempts, oldest
 * first. Ids carry their time of birth, so the page is a range of the primary key and no index is needed.
 *
 * Guarantees: never a job that waits or runs, also when an operator retries it in this moment (the last ending is
 * locked and read again); nor one that a lease still names, for its worker could end an attempt that nothing fences
 * any more, and it would count as running; nor a cancelled one whose place in `ready` has yet to be cleared.
 */
export async function pruneJobs(db: Database, { retention, limit, after }: Prune): Promise<Pruned> {
  const youngestHours = Math.min(retention.completedHours, retention.cancelledHours, retention.failedHours);
  const [pruned] = await db.run(
    (sql) => sql<(Pruned & { seen: number })[]>`
    with page as materialized (
      select id, queue, kind, priority
      from jobsvc.jobs
      where id > ${after} and id < (
        -- The smallest uuid v7 of that moment: 48 bits of milliseconds, the rest zero.
        lpad(to_hex((extract(epoch from now() - ${youngestHours} * interval '1 hour') * 1000)::bigint), 12, '0')
          || repeat('0', 20)
      )::uuid
      order by id
      limit ${limit}
    ),
    last as materialized (
      select page.*, ending.outcome, ending.retry_at, ending.finished_at
      from page
      cross join lateral (
        select * from jobsvc.attempts where job_id = page.id order by attempt desc limit 1 for update skip locked
      ) ending
    ),
    held as materialized (
      select job.id from jobsvc.leases cross join unnest(job_ids) as job (id)
      union
      select place.id
      from (${cancelledPlaces(sql, sql`select id from page`)}) place
      join jobsvc.ready using (queue, kind, priority, run_at)
      where place.id = any (ready.job_ids)
    ),
    old as materialized (
      select id, queue, kind, outcome
      from last
      where retry_at is null
        and finished_at < now() - interval '1 hour' * case outcome
          when 'completed' then ${retention.completedHours}::float8
          when 'cancelled' then ${retention.cancelledHours}::float8
          else ${retention.failedHours}::float8
        end
        and id not in (select id from held)
    ),
    without_history as (
      delete from jobsvc.attempts where job_id in (select id from old)
    ),
    without_events as (
      delete from jobsvc.events where job_id in (select id from old)
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, outcome, -count(*) from old group by queue, kind, outcome
    ),
    gone as (
      delete from jobsvc.jobs where id in (select id from old) returning id
    )
    select (select count(*) from gone)::int as jobs, (select count(*) from page)::int as seen,
      (select id from page order by id desc limit 1) as next`,
  );
  if (!pruned) return { jobs: 0, next: null };
  return { jobs: pruned.jobs, next: pruned.seen === limit ? pruned.next : null };
}
