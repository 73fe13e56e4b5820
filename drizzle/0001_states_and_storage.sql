-- Where each job stands, derived from the facts and never stored: the one definition that every reader uses.
--
-- An attempt that ended without `retry_at` ended the job. Before that, a job is running while a lease
-- holds it, and waits otherwise: until its retry, its schedule, or just until its turn.
create view jobsvc.job_states as
select
  jobs.id,
  case
    when last.attempt is not null and last.retry_at is null then last.outcome
    when lease.id is not null then 'running'
    when due.run_at <= now() then 'available'
    when last.attempt is null then 'scheduled'
    else 'retryable'
  end as state,
  coalesce(last.attempt, 0) as ended_attempts,
  case when last.attempt is null or last.retry_at is not null then due.run_at end as run_at,
  case when last.retry_at is null then last.finished_at end as finished_at,
  lease.id as lease_id,
  lease.worker_id,
  lease.leased_at
from jobsvc.jobs
left join lateral (
  select attempt, outcome, retry_at, finished_at
  from jobsvc.attempts
  where attempts.job_id = jobs.id
  order by attempt desc
  limit 1
) last on true
cross join lateral (
  select coalesce(last.retry_at, greatest(jobs.scheduled_at, jobs.created_at)) as run_at
) due
left join lateral (
  select leases.id, leases.worker_id, leases.leased_at
  from jobsvc.leases
  where (last.attempt is null or last.retry_at is not null)
    and leases.attempt = coalesce(last.attempt, 0) + 1
    and jobs.id = any (leases.job_ids)
  limit 1
) lease on true;
--> statement-breakpoint
-- Random ids do not compress: trying costs time on each insert and take of a block.
alter table jobsvc.ready alter column job_ids set storage external;
--> statement-breakpoint
alter table jobsvc.leases alter column job_ids set storage external;
--> statement-breakpoint
-- Rows here live for milliseconds. Vacuum by count and at full speed, else dead rows outnumber the living
-- ones by far before the default threshold, a fifth of the table, means anything.
alter table jobsvc.ready set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000
);
--> statement-breakpoint
alter table jobsvc.leases set (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 20000
);
