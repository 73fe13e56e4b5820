import type { Database } from "../db/connect.ts";
import { HIGHEST_PRIORITY, LOWEST_PRIORITY } from "../job/job.ts";

/** A lane is (queue, kind, priority): jobs in it are taken in the order of their due time. */
export interface Lane {
  kind: string;
  priority: number;
  /** The low-water mark: nothing that is due and committed stands below it. Text, to keep the microseconds. */
  mark: string;
}

/**
 * A statement that is being committed may carry a `run_at` a little older than what is visible now. Marks
 * stay this far behind, and an even later commit waits for the next refresh.
 */
const MARK_SLACK = "200 milliseconds";

/**
 * The lanes of a queue with fresh marks. Takes start at the mark, so that they do not wade through the dead
 * index entries of finished jobs, which nobody can remove while an old transaction is open anywhere in the database.
 */
export async function readLanes(db: Database, queue: string, kinds: readonly string[]): Promise<Lane[]> {
  return await db.run(
    (sql) => sql<Lane[]>`
    select lane.kind, lane.priority, (least(head.run_at, now()) - ${MARK_SLACK}::interval)::text as mark
    from (
      select kind, priority
      from unnest(${[...kinds]}::text[]) kind
      cross join generate_series(${HIGHEST_PRIORITY}::int, ${LOWEST_PRIORITY}::int) priority
    ) lane
    left join lateral (
      select run_at
      from jobsvc.ready
      where ready.queue = ${queue} and ready.kind = lane.kind and ready.priority = lane.priority
      order by run_at, id
      limit 1
    ) head on true`,
  );
}
