import type { Database } from "../db/connect.ts";
import type { WhyFacts } from "../job/why.ts";

/**
 * The facts from which `job/why.ts` concludes why a job is not running; undefined for a job that is not there. Which
 * jobs go first is what take says: those of kinds that whoever could take this one knows, by priority, due time and
 * block. A job that was lost twice is taken in a way of its own, and stands in no other's.
 */
export async function readWhyFacts(
  db: Database,
  id: string,
  userId: string | null = null,
): Promise<WhyFacts | undefined> {
  const [facts] = await db.run(
    (sql) => sql<WhyFacts[]>`
    with able as materialized (
      select workers.*, (select count(*) from jobsvc.running_jobs where worker_id = workers.id) as in_use
      from jobsvc.jobs
      join jobsvc.workers on jobs.queue = any (workers.queues) and jobs.kind = any (workers.kinds)
      where jobs.id = ${id} and expires_at > now() and draining_at is null
    )
    select standing.state, jobs.queue, jobs.kind, standing.run_at as "runAt", queues.paused_at as "pausedAt",
      (select count(*) from able)::int as workers, (select coalesce(sum(slots), 0) from able)::int as slots,
      (select coalesce(sum(in_use), 0) from able)::int as "slotsInUse",
      coalesce(place.before + ahead.jobs, 0)::float8 as "jobsAhead",
      (
        select max(least(expires_at, now())) from jobsvc.workers
        where jobs.queue = any (workers.queues) and jobs.kind = any (workers.kinds)
      ) as "lastSeenAt"
    from jobsvc.jobs
    join jobsvc.job_states standing using (id)
    left join jobsvc.queues on queues.name = jobs.queue
    left join lateral (
      select ready.*, array_position(job_ids, jobs.id) - 1 as before
      from jobsvc.ready
      where standing.state = 'available' and ready.queue = jobs.queue and ready.kind = jobs.kind
        and ready.priority = jobs.priority and ready.run_at = standing.run_at and jobs.id = any (ready.job_ids)
      limit 1
    ) place on true
    left join lateral (
      select coalesce(sum(size), 0) as jobs
      from jobsvc.ready
      where ready.queue = place.queue and ready.run_at <= now()
        and (ready.priority, ready.run_at, ready.id) < (place.priority, place.run_at, place.id)
        and (ready.losses >= 2) = (place.losses >= 2)
        and exists (select from able where ready.kind = any (able.kinds))
    ) ahead on true
    where jobs.id = ${id} and (${userId}::uuid is null or jobs.user_id = ${userId})`,
  );
  return facts;
}
