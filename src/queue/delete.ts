import type { Database } from "../db/connect.ts";
import { cancelledPlaces, withdrawCancelled } from "./withdraw.ts";

/** `held`: it was cancelled, and who runs or holds it has not let go yet. */
export type DeleteAnswer = "deleted" | "not_final" | "held" | "not_found";

/**
 * Deletes jobs that have ended, with all that is kept of them. A job that waits or runs stays.
 *
 * The endings are the fence, so they may not go before everybody who could still end those attempts: a worker that has
 * not noticed a cancel would end the attempt of a job that is not there. And a lease, which stays until the last of
 * its jobs has ended, must no longer name a job that is gone: rescue would let it run again.
 */
export async function deleteJobs(
  db: Database,
  ids: readonly string[],
  userId: string | null = null,
): Promise<Map<string, DeleteAnswer>> {
  await withdrawCancelled(db, ids);
  const rows = await db.run(
    (sql) => sql<{ id: string; answer: DeleteAnswer }[]>`
    with known as materialized (
      select id, queue, kind
      from jobsvc.jobs
      where id = any (${[...ids]}::uuid[]) and (${userId}::uuid is null or user_id = ${userId})
      order by id
    ),
    -- Locked and read again, so that a retry in this moment is seen.
    last as materialized (
      select known.*, ending.outcome, ending.retry_at
      from known
      cross join lateral (
        select outcome, retry_at from jobsvc.attempts where job_id = known.id order by attempt desc limit 1 for update
      ) ending
    ),
    named as materialized (
      select leases.id as lease_id, last.id as job_id, ending.outcome
      from jobsvc.leases
      cross join unnest(leases.job_ids) as job (id)
      join last on last.id = job.id
      left join jobsvc.attempts ending on ending.job_id = job.id and ending.attempt = leases.attempt
    ),
    lease as materialized (
      select id from jobsvc.leases where id in (select lease_id from named) order by id for update skip locked
    ),
    place as materialized (${cancelledPlaces(sql, sql`select id from known`)}),
    held as (
      select job_id as id from named
      where outcome is not distinct from 'cancelled' or lease_id not in (select id from lease)
      union
      select place.id from place
      join jobsvc.ready using (queue, kind, priority, run_at)
      where place.id = any (ready.job_ids)
    ),
    final as materialized (
      select * from last where retry_at is null and id not in (select id from held)
    ),
    forgotten as (
      update jobsvc.leases
      set job_ids = array(
        select job.id from unnest(job_ids) with ordinality job (id, place)
        where job.id not in (select id from final) order by job.place
      )
      where id in (select lease_id from named join final on final.id = named.job_id)
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
    select known.id,
      case
        when exists (select from final where final.id = known.id) then 'deleted'
        when exists (select from last where last.id = known.id and retry_at is null) then 'held'
        else 'not_final'
      end as answer
    from known`,
  );
  return new Map(rows.map(({ id, answer }) => [id, answer]));
}

export async function deleteJob(
  db: Database,
  id: string,
  userId: string | null = null,
): Promise<DeleteAnswer> {
  const [answer = "not_found"] = (await deleteJobs(db, [id], userId)).values();
  return answer;
}
