import type { Database } from "../db/connect.ts";
import { HIGHEST_PRIORITY, LOWEST_PRIORITY } from "../job/job.ts";

/** A lane is (queue, kind, priority): jobs in it are taken in the order of their due time. */
export interface Lane {
  kind: string;
  priority: number;
  /** The low-water mark: nothing that is due and committed stands below it. Text, to keep the microseconds. */
  mark: string;
}

/** From where somebody takes jobs. */
export interface Source {
  queue: string;
  kinds: readonly string[];
}

/** What was found at a source. */
export interface Found {
  lanes: Lane[];
  /** Whether jobs wait there that could be taken now. */
  due: boolean;
}

/**
 * A statement that is being committed may carry a `run_at` a little older than what is visible now. Marks
 * stay this far behind, and an even later commit waits for the next refresh.
 */
const MARK_SLACK = "200 milliseconds";

/**
 * The lanes of each source with fresh marks. Takes start at the mark, so that they do not wade through the dead
 * index entries of finished jobs, which nobody can remove while an old transaction is open anywhere in the database.
 */
export async function readLanes(db: Database, sources: readonly Source[]): Promise<Found[]> {
  const each = sources.flatMap(({ queue, kinds }, source) => kinds.map((kind) => ({ source, queue, kind })));
  const rows = await db.run(
    (sql) => sql<(Lane & { source: number; due: boolean })[]>`
    select source.number as source, source.kind, priority,
      (least(head.run_at, now()) - ${MARK_SLACK}::interval)::text as mark,
      coalesce(head.run_at <= now(), false)
        and source.queue not in (select name from jobsvc.queues where paused_at is not null) as due
    from unnest(
      ${each.map(({ source }) => source)}::int4[],
      ${each.map(({ queue }) => queue)}::text[],
      ${each.map(({ kind }) => kind)}::text[]
    ) as source (number, queue, kind)
    cross join generate_series(${HIGHEST_PRIORITY}::int, ${LOWEST_PRIORITY}::int) priority
    left join lateral (
      select run_at
      from jobsvc.ready
      where ready.queue = source.queue and ready.kind = source.kind and ready.priority = priority.priority
      order by run_at, id
      limit 1
    ) head on true`,
  );
  const found = sources.map((): Found => ({ lanes: [], due: false }));
  for (const { source, due, ...lane } of rows) {
    found[source]!.lanes.push(lane);
    found[source]!.due ||= due;
  }
  return found;
}
