import type { Database } from "../db/connect.ts";
import { CANCEL_CHANNEL } from "./channels.ts";

export type CancelAnswer = "cancelled" | "already_final" | "not_found";

/**
 * Ends the next attempt of a job as `cancelled`, whether it waits or runs: one rule for both. The answer is
 * the truth: whoever ran the attempt finds it ended and drops what it did. It learns of it by a
 * notification, or at the next beat of its worker.
 */
export async function cancelJob(db: Database, id: string): Promise<CancelAnswer> {
  for (;;) {
    const { known, open, cancelled } = await cancelNextAttempt(db, id);
    if (!known) return "not_found";
    if (!open) return "already_final";
    if (cancelled) {
      await db.run((sql) => sql`select pg_notify(${CANCEL_CHANNEL}, ${id})`);
      return "cancelled";
    }
    // The attempt ended in this very moment. It may be retried, so the next one is cancelled instead.
  }
}

/**
 * The job's place in `ready` is found by its lane and due time, which follow from the job and its last ending.
 * A block that is being taken right now is left alone: take drops what has an ending.
 */
async function cancelNextAttempt(db: Database, id: string) {
  const [answer] = await db.run(
    (sql) => sql<{ known: boolean; open: boolean; cancelled: boolean }[]>`
    with next as materialized (
      select jobs.id, jobs.queue, jobs.kind, jobs.priority, coalesce(last.attempt, 0) + 1 as attempt,
        coalesce(last.retry_at, greatest(jobs.scheduled_at, jobs.created_at)) as run_at
      from jobsvc.jobs
      left join lateral (
        select attempt, retry_at from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
      ) last on true
      where jobs.id = ${id} and (last.attempt is null or last.retry_at is not null)
    ),
    ended as (
      insert into jobsvc.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at)
      select next.id, next.attempt, 'cancelled', lease.worker_id, lease.leased_at, now()
      from next
      left join lateral (
        select worker_id, leased_at
        from jobsvc.leases
        where leases.attempt = next.attempt and next.id = any (leases.job_ids)
        limit 1
      ) lease on true
      on conflict do nothing
      returning job_id
    ),
    block as materialized (
      select ready.id, ready.size
      from next
      join jobsvc.ready using (queue, kind, priority, run_at)
      where next.id = any (ready.job_ids) and exists (select from ended)
      for update of ready skip locked
    ),
    emptied as (
      delete from jobsvc.ready using block where ready.id = block.id and block.size = 1
    ),
    shortened as (
      update jobsvc.ready set job_ids = array_remove(ready.job_ids, ${id}::uuid)
      from block
      where ready.id = block.id and block.size > 1
    )
    select
      exists (select from jobsvc.jobs where jobs.id = ${id}) as known,
      exists (select from next) as open,
      exists (select from ended) as cancelled`,
  );
  return answer ?? { known: false, open: false, cancelled: false };
}
