import type { Database } from "../db/connect.ts";
import { ENDED_CHANNEL } from "./channels.ts";
import { withdrawCancelled, withdrawing } from "./withdraw.ts";

export type CancelAnswer = "cancelled" | "already_final" | "not_found";

/**
 * Ends the next attempt of a job as `cancelled`, whether it waits or runs: one rule for both. The answer is
 * the truth: whoever ran the attempt finds it ended and drops what it did. It learns of it by a
 * notification, or at the next beat of its worker. With a `userId`, jobs of other users are not found.
 */
export async function cancelJob(
  db: Database,
  id: string,
  userId: string | null = null,
): Promise<CancelAnswer> {
  const [answer = "not_found"] = (await cancelJobs(db, [id], userId)).values();
  return answer;
}

/** The same for many: each job by itself is cancelled or not. */
export async function cancelJobs(
  db: Database,
  ids: readonly string[],
  userId: string | null = null,
): Promise<Map<string, CancelAnswer>> {
  const answers = new Map<string, CancelAnswer>();
  for (let asked = [...ids]; asked.length > 0; ) {
    const rows = await cancelNextAttempts(db, asked, userId);
    for (const { id, open, cancelled } of rows) {
      if (cancelled || !open) answers.set(id, cancelled ? "cancelled" : "already_final");
    }
    const left = rows.filter((row) => row.left).map((row) => row.id);
    if (left.length > 0) await withdrawCancelled(db, left);
    // The attempt ended in this very moment. It may be retried, so the next one is cancelled instead.
    asked = rows.filter((row) => row.open && !row.cancelled).map((row) => row.id);
  }
  return answers;
}

/**
 * A job's place in `ready` is found by its lane and due time, which follow from the job and its last ending.
 * A block that somebody holds right now is left alone: a take drops what has an ending, and for a change there is
 * `withdrawCancelled`.
 */
async function cancelNextAttempts(db: Database, ids: readonly string[], userId: string | null) {
  return await db.run(
    (sql) => sql<{ id: string; open: boolean; cancelled: boolean; left: boolean | null }[]>`
    with known as materialized (
      select jobs.id, jobs.queue, jobs.kind, jobs.priority, coalesce(last.attempt, 0) + 1 as attempt,
        last.attempt is null or last.retry_at is not null as open,
        coalesce(last.retry_at, greatest(jobs.scheduled_at, jobs.created_at)) as run_at
      from jobsvc.jobs
      left join lateral (
        select attempt, retry_at from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
      ) last on true
      where jobs.id = any (${[...ids]}::uuid[]) and (${userId}::uuid is null or jobs.user_id = ${userId})
    ),
    open as materialized (
      select known.*, lease.id is not null as held, lease.worker_id, lease.leased_at
      from known
      left join lateral (
        select id, worker_id, leased_at
        from jobsvc.leases
        where leases.attempt = known.attempt and known.id = any (leases.job_ids)
        limit 1
      ) lease on true
      where known.open
    ),
    ended as (
      insert into jobsvc.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at)
      select id, attempt, 'cancelled', worker_id, leased_at, now() from open order by id
      on conflict do nothing
      returning job_id as id, pg_notify(${ENDED_CHANNEL}, concat_ws(' ', job_id, attempt, outcome))
    ),
    leaving as (
      select open.* from ended join open using (id)
    ),
    ${withdrawing(sql)},
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, 'cancelled', count(*) from leaving group by queue, kind
    )
    select known.id, known.open, leaving.id is not null as cancelled,
      not leaving.held and not exists (select from place where job_id = known.id) as left
    from known
    left join leaving using (id)`,
  );
}
