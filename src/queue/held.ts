import type { Database } from "../db/connect.ts";
import type { Outcome } from "../job/outcome.ts";
import { type StaleReason, staleReason } from "../job/stale.ts";
import type { AttemptKey } from "./end.ts";

/** A job in somebody's hands, as they name it: the attempt, and the lease that holds it. */
export interface Held extends AttemptKey {
  leaseId: string;
}

export interface HeldJob extends Held {
  queue: string;
  kind: string;
  priority: number;
  maxAttempts: number;
  failures: number;
  losses: number;
  /** Null once the lease is gone, or was disowned. */
  workerId: string | null;
  /** How long the attempt has run, by the clock of the database. */
  ranMs: number;
  /** Null where the worker measures the time itself. */
  deadlineAt: Date | null;
  /** Whether the lease holds nothing else, and so goes with this job. Never that of a process, which gives back its own. */
  alone: boolean;
  /** Whether a sign of life is worth writing down: the last one is old enough. */
  beatDue: boolean;
  /** Why the job is not held any more; null while it is. */
  stale: StaleReason | null;
}

/** Of the time to live: signs of life that come sooner after one another need not be written. */
const BEAT_DUE_AFTER = 1 / 6;

/**
 * What is known of a held job, and whether it is still held. Undefined when there never was such a hold, or the job has
 * been deleted since. Only a look: whoever then acts on the job goes by the fence.
 */
export async function readHeld(db: Database, held: Held): Promise<HeldJob | undefined> {
  const { leaseId, jobId, attempt } = held;
  const [row] = await db.run(
    (sql) => sql<(Omit<HeldJob, "stale"> & { outcome: Outcome | null; reason: string | null })[]>`
    select coalesce(lease.queue, jobs.queue) as queue, coalesce(lease.kind, jobs.kind) as kind,
      coalesce(lease.priority, jobs.priority) as priority, jobs.max_attempts as "maxAttempts",
      coalesce(lease.failures, 0) as failures, coalesce(lease.losses, 0) as losses, lease.worker_id as "workerId",
      coalesce(extract(epoch from now() - lease.leased_at) * 1000, 0)::float8 as "ranMs",
      lease.deadline_at as "deadlineAt", coalesce(cardinality(lease.job_ids) = 1 and lease.deadline_at is not null, false) as alone,
      coalesce(
        lease.beaten_at < now() - workers.ttl_ms * ${BEAT_DUE_AFTER}::float8 * interval '1 millisecond', false
      ) as "beatDue",
      ending.outcome, ending.error ->> 'reason' as reason
    from jobsvc.jobs
    left join lateral (
      select * from jobsvc.leases
      where leases.id = ${leaseId} and leases.attempt = ${attempt} and jobs.id = any (leases.job_ids)
    ) lease on true
    left join jobsvc.workers on workers.id = lease.worker_id
    left join jobsvc.attempts ending on ending.job_id = jobs.id and ending.attempt = ${attempt}
    where jobs.id = ${jobId} and (lease.id is not null or ending.job_id is not null)`,
  );
  if (row === undefined) return undefined;
  const { outcome, reason, ...job } = row;
  return { ...held, ...job, stale: outcome && staleReason(outcome, reason) };
}
