import type { Database } from "../db/connect.ts";

/** How many jobs of a kind in a queue are where. Waiting and running from blocks and leases, ended from tallies. */
export interface Counts {
  queue: string;
  kind: string;
  scheduled: number;
  available: number;
  running: number;
  retryable: number;
  completed: number;
  failed: number;
  cancelled: number;
}

/** Never counts history: what it reads grows with what waits in blocks and what runs, not with what has ended. */
export async function readStats(db: Database): Promise<Counts[]> {
  return await db.run(
    (sql) => sql<Counts[]>`
    with places as (
      select queue, kind,
        case when run_at <= now() then 'available' when attempt = 1 then 'scheduled' else 'retryable' end as state,
        size as jobs
      from jobsvc.ready
      union all
      select queue, kind, 'running', 1 from jobsvc.running_jobs
      union all
      select queue, kind, outcome, jobs from jobsvc.tallies
    )
    select queue, kind,
      coalesce(sum(jobs) filter (where state = 'scheduled'), 0)::float8 as scheduled,
      coalesce(sum(jobs) filter (where state = 'available'), 0)::float8 as available,
      coalesce(sum(jobs) filter (where state = 'running'), 0)::float8 as running,
      coalesce(sum(jobs) filter (where state = 'retryable'), 0)::float8 as retryable,
      coalesce(sum(jobs) filter (where state = 'completed'), 0)::float8 as completed,
      coalesce(sum(jobs) filter (where state = 'failed'), 0)::float8 as failed,
      coalesce(sum(jobs) filter (where state = 'cancelled'), 0)::float8 as cancelled
    from places
    group by queue, kind
    order by queue, kind`,
  );
}
