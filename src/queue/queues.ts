import type { Database } from "../db/connect.ts";

export interface QueueRecord {
  name: string;
  pausedAt: Date | null;
  /** Jobs that are due. */
  available: number;
  /** Jobs that wait for a later time. */
  scheduled: number;
  running: number;
  /** How long the oldest due job has waited. */
  oldestWaitMs: number | null;
  /** Living workers that take jobs of this queue; those that are about to leave take none. */
  workers: number;
}

/** Every queue of which there is something to say: it has jobs, workers, a pause, or a past. */
export async function readQueues(db: Database): Promise<QueueRecord[]> {
  return await db.run(
    (sql) => sql<QueueRecord[]>`
    with waiting as (
      select queue as name,
        sum(size) filter (where run_at <= now()) as available,
        sum(size) filter (where run_at > now()) as scheduled,
        extract(epoch from now() - min(run_at) filter (where run_at <= now())) * 1000 as oldest_wait_ms
      from jobsvc.ready
      group by queue
    ),
    running as (
      select queue as name, count(*) as jobs from jobsvc.running_jobs group by queue
    ),
    staffed as (
      select queue.name, count(*) as workers
      from jobsvc.workers
      cross join unnest(workers.queues) as queue (name)
      where workers.expires_at > now() and workers.draining_at is null
      group by queue.name
    ),
    names as (
      select name from waiting union select name from running union select name from staffed
      union select name from jobsvc.queues union select queue from jobsvc.tallies
    )
    select name, queues.paused_at as "pausedAt", coalesce(waiting.available, 0)::float8 as available,
      coalesce(waiting.scheduled, 0)::float8 as scheduled, coalesce(running.jobs, 0)::float8 as running,
      waiting.oldest_wait_ms::float8 as "oldestWaitMs", coalesce(staffed.workers, 0)::int as workers
    from names
    left join jobsvc.queues using (name)
    left join waiting using (name)
    left join running using (name)
    left join staffed using (name)
    order by name`,
  );
}
