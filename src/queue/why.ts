import type { Database } from "../db/connect.ts";
import type { WhyFacts } from "../job/why.ts";

/** The facts from which `job/why.ts` concludes why a job is not running; undefined for a job that is not there. */
export async function readWhyFacts(
  db: Database,
  id: string,
  userId: string | null = null,
): Promise<WhyFacts | undefined> {
  const [facts] = await db.run(
    (sql) => sql<WhyFacts[]>`
    select standing.state, jobs.queue, jobs.kind, standing.run_at as "runAt", queues.paused_at as "pausedAt",
      able.workers, able.slots, able.in_use as "slotsInUse", coalesce(ahead.jobs, 0)::float8 as "jobsAhead",
      (
        select max(expires_at) from jobsvc.workers
        where jobs.queue = any (workers.queues) and jobs.kind = any (workers.kinds)
      ) as "lastSeenAt"
    from jobsvc.jobs
    join jobsvc.job_states standing using (id)
    left join jobsvc.queues on queues.name = jobs.queue
    cross join lateral (
      select count(*)::int as workers, coalesce(sum(slots), 0)::int as slots,
        coalesce(sum((select count(*) from jobsvc.running_jobs where worker_id = workers.id)), 0)::int as in_use
      from jobsvc.workers
      where expires_at > now() and draining_at is null
        and jobs.queue = any (workers.queues) and jobs.kind = any (workers.kinds)
    ) able
    left join lateral (
      select sum(size) as jobs
      from jobsvc.ready
      where ready.queue = jobs.queue and ready.run_at <= now()
        and (ready.priority, ready.run_at) < (jobs.priority, standing.run_at)
    ) ahead on standing.state = 'available'
    where jobs.id = ${id} and (${userId}::uuid is null or jobs.user_id = ${userId})`,
  );
  return facts;
}
