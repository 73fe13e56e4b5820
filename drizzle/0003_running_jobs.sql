-- What runs, job by job. A lease stays until the last of its jobs has ended, so those with an ending are left out.
create view jobsvc.running_jobs as
select job.id as job_id, leases.attempt, leases.queue, leases.kind, leases.worker_id, leases.leased_at
from jobsvc.leases
cross join unnest(leases.job_ids) as job (id)
left join lateral (
  select true as ended
  from jobsvc.attempts
  where attempts.job_id = job.id and attempts.attempt = leases.attempt
  limit 1
) ending on true
where ending.ended is null;
