import type { Database } from "../db/connect.ts";
import type { HeldJob } from "./held.ts";

/** A lease whose time is over, with those of its jobs that have not ended. */
export interface OverdueLease {
  leaseId: string;
  workerId: string | null;
  /** From the lease to its deadline. */
  limitMs: number;
  jobs: Pick<
    HeldJob,
    "jobId" | "attempt" | "queue" | "kind" | "priority" | "failures" | "losses" | "maxAttempts" | "ranMs"
  >[];
}

/** Leases that are past their deadline, the longest first; `limit` of them. */
export async function readOverdue(db: Database, limit: number): Promise<OverdueLease[]> {
  const rows = await db.run(
    (sql) => sql<OverdueLease[]>`
    select lease.id as "leaseId", lease.worker_id as "workerId",
      extract(epoch from lease.deadline_at - lease.leased_at)::float8 * 1000 as "limitMs",
      (
        select coalesce(json_agg(json_build_object(
          'jobId', jobs.id, 'attempt', lease.attempt, 'queue', lease.queue, 'kind', lease.kind,
          'priority', lease.priority, 'failures', lease.failures, 'losses', lease.losses,
          'maxAttempts', jobs.max_attempts, 'ranMs', extract(epoch from now() - lease.leased_at) * 1000
        )), '[]')
        from jobsvc.jobs
        where jobs.id = any (lease.job_ids)
          and not exists (
            select from jobsvc.attempts where attempts.job_id = jobs.id and attempts.attempt = lease.attempt
          )
      ) as jobs
    from (
      select * from jobsvc.leases where deadline_at < now() order by deadline_at limit ${limit}
    ) lease`,
  );
  return [...rows];
}
