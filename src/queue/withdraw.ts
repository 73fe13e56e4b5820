import type { PendingQuery, Row } from "postgres";
import type { Database, Sql } from "../db/connect.ts";

/**
 * The part of a statement that takes jobs out of their blocks. `leaving` is a part before it that names them, with
 * their lane and due time. A block that somebody holds in this moment is passed by.
 */
export function withdrawing(sql: Sql) {
  return sql`
    place as materialized (
      select ready.id, ready.size, leaving.id as job_id
      from leaving
      join jobsvc.ready using (queue, kind, priority, run_at)
      where leaving.id = any (ready.job_ids)
      order by ready.id
      for update of ready skip locked
    ),
    block as (
      select id, size, array_agg(job_id) as leaving from place group by id, size
    ),
    emptied as (
      delete from jobsvc.ready using block where ready.id = block.id and block.size = cardinality(block.leaving)
    ),
    shortened as (
      update jobsvc.ready
      set job_ids = array(
        select job.id from unnest(ready.job_ids) with ordinality job (id, place)
        where job.id <> all (block.leaving) order by job.place
      )
      from block
      where ready.id = block.id and block.size > cardinality(block.leaving)
    )`;
}

/**
 * Where cancelled jobs wait if they were left in their block: their lane and due time follow from the job and the
 * ending before the last one. `among` is a query for ids.
 */
export function cancelledPlaces(sql: Sql, among: PendingQuery<Row[]>) {
  return sql`
    select jobs.id, queue, kind, priority, coalesce(before.retry_at, greatest(scheduled_at, created_at)) as run_at
    from jobsvc.jobs
    cross join lateral (
      select attempt, outcome, retry_at from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
    ) last
    left join jobsvc.attempts before on before.job_id = jobs.id and before.attempt = last.attempt - 1
    where jobs.id in (${among}) and last.outcome = 'cancelled' and last.retry_at is null`;
}

/**
 * Takes cancelled jobs out of the blocks in which they were left because somebody held those. A take drops them by
 * itself; but a change moves them to another place, and might move them a year ahead.
 */
export async function withdrawCancelled(db: Database, ids: readonly string[]): Promise<void> {
  await db.run(
    (sql) => sql`
    with leaving as materialized (${cancelledPlaces(sql, sql`select unnest(${[...ids]}::uuid[])`)}),
    ${withdrawing(sql)}
    select`,
  );
}
