import type { Database } from "../db/connect.ts";

export type DeleteAnswer = "deleted" | "not_final" | "not_found";

/** Deletes jobs that have ended, with all that is kept of them. A job that waits or runs stays. */
export async function deleteJobs(
  db: Database,
  ids: readonly string[],
  userId: string | null = null,
): Promise<Map<string, DeleteAnswer>> {
  const rows = await db.run(
    (sql) => sql<{ id: string; deleted: boolean }[]>`
    with known as materialized (
      select id, queue, kind
      from jobsvc.jobs
      where id = any (${[...ids]}::uuid[]) and (${userId}::uuid is null or user_id = ${userId})
    ),
    -- Locked and read again, so that a retry in this moment is seen.
    last as materialized (
      select known.*, ending.outcome, ending.retry_at
      from known
      cross join lateral (
        select outcome, retry_at from jobsvc.attempts where job_id = known.id order by attempt desc limit 1 for update
      ) ending
    ),
    final as materialized (
      select * from last where retry_at is null
    ),
    without_history as (
      delete from jobsvc.attempts where job_id in (select id from final)
    ),
    without_events as (
      delete from jobsvc.events where job_id in (select id from final)
    ),
    gone as (
      delete from jobsvc.jobs where id in (select id from final)
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, outcome, -count(*) from final group by queue, kind, outcome
    )
    select known.id, exists (select from final where final.id = known.id) as deleted from known`,
  );
  return new Map(rows.map(({ id, deleted }) => [id, deleted ? "deleted" : "not_final"]));
}

export async function deleteJob(
  db: Database,
  id: string,
  userId: string | null = null,
): Promise<DeleteAnswer> {
  return (await deleteJobs(db, [id], userId)).get(id) ?? "not_found";
}
