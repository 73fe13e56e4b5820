import type { Database } from "../db/connect.ts";
import { WORK_CHANNEL } from "./channels.ts";
import { withdrawCancelled } from "./withdraw.ts";

export interface JobChange {
  priority?: number;
  /** Null: as soon as possible. */
  scheduledAt?: Date | null;
}

export type ChangeAnswer = "changed" | "not_waiting" | "not_found";

/** Each time the job must have been taken and given back, or moved by somebody else, in the very moment of the change. */
const MOST_TRIES = 10;

/**
 * Changes the priority or the due time of a job while it waits: takes it out of its block and puts it back as a
 * block of its own. A first attempt keeps its time in the job, a later one in the ending before it, so that its
 * place can be found again. Waits for whoever holds the block, and then looks again where the job is.
 * Workers hear of one that is due.
 */
export async function changeJob(
  db: Database,
  id: string,
  change: JobChange,
  userId: string | null = null,
): Promise<ChangeAnswer> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const job = await moveJob(db, id, change, userId);
    if (job === undefined) return "not_found";
    if (job.changed) {
      // Who cancelled it meanwhile may have looked for it where it was before.
      await withdrawCancelled(db, [id]);
      return "changed";
    }
    if (!job.waits) break;
  }
  return "not_waiting";
}

async function moveJob(db: Database, id: string, change: JobChange, userId: string | null) {
  const reschedules = change.scheduledAt !== undefined;
  const [job] = await db.run(
    (sql) => sql<{ waits: boolean; changed: boolean }[]>`
    with waiting as materialized (
      select jobs.id, jobs.queue, jobs.kind, jobs.priority, jobs.created_at, jobs.scheduled_at, last.attempt as ended,
        coalesce(last.retry_at, greatest(jobs.scheduled_at, jobs.created_at)) as run_at
      from jobsvc.jobs
      left join lateral (
        select attempt, retry_at from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
      ) last on true
      where jobs.id = ${id} and (${userId}::uuid is null or jobs.user_id = ${userId})
        and (last.attempt is null or last.retry_at is not null)
    ),
    block as materialized (
      select ready.*
      from waiting
      join jobsvc.ready using (queue, kind, priority, run_at)
      where waiting.id = any (ready.job_ids) and ready.attempt = coalesce(waiting.ended, 0) + 1
      for update of ready
    ),
    target as materialized (
      select waiting.ended, coalesce(${change.priority ?? null}::int2, waiting.priority) as priority,
        case
          when not ${reschedules}::boolean then waiting.scheduled_at
          else ${change.scheduledAt ?? null}::timestamptz
        end as scheduled_at,
        case
          when not ${reschedules}::boolean then waiting.run_at
          when waiting.ended is null then greatest(${change.scheduledAt ?? null}::timestamptz, waiting.created_at)
          else greatest(${change.scheduledAt ?? null}::timestamptz, now())
        end as run_at
      from waiting
      where exists (select from block)
    ),
    emptied as (
      delete from jobsvc.ready using block where ready.id = block.id and block.size = 1
    ),
    shortened as (
      update jobsvc.ready set job_ids = array_remove(ready.job_ids, ${id}::uuid)
      from block
      where ready.id = block.id and block.size > 1
    ),
    placed as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, losses, job_ids)
      select block.queue, block.kind, target.priority, target.run_at, block.attempt, block.failures, block.losses,
        array[${id}::uuid]
      from block
      cross join target
    ),
    asked as (
      update jobsvc.jobs set priority = target.priority, scheduled_at = target.scheduled_at
      from target
      where jobs.id = ${id}
      returning jobs.id
    ),
    postponed as (
      update jobsvc.attempts set retry_at = target.run_at
      from target
      where attempts.job_id = ${id} and attempts.attempt = target.ended
    ),
    told as (
      -- In another lane it may stand below the marks of those who take there: they have to look back.
      select pg_notify(${WORK_CHANNEL}, format('%s %s', queue, floor(extract(epoch from target.run_at) * 1000)))
      from block
      cross join target
      where target.run_at <= now()
    )
    select standing.state in ('scheduled', 'available', 'retryable') as waits, exists (select from asked) as changed,
      -- What is told has to be counted: Postgres leaves out a query that nobody asks for its rows.
      (select count(*)::int from told) as told
    from jobsvc.jobs
    join jobsvc.job_states standing using (id)
    where id = ${id} and (${userId}::uuid is null or user_id = ${userId})`,
  );
  return job;
}
