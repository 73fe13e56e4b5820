import type { Database } from "../db/connect.ts";
import { HIGHEST_PRIORITY, LOWEST_PRIORITY } from "../job/job.ts";

/** From where somebody takes jobs. */
export interface Source {
  queue: string;
  kinds: readonly string[];
}

/** Low-water marks: nothing that is due and committed stands below them. Texts, to keep the microseconds. */
export interface LaneMarks {
  /** Of every lane that is not named below. */
  mark: string;
  /** Lanes in which something was due when they were read, and may stand lower. */
  lanes: readonly Lane[];
}

/** A lane is (queue, kind, priority): jobs in it are taken in the order of their due time. */
export interface Lane {
  kind: string;
  priority: number;
  mark: string;
}

/** What was found at a source. */
export interface Found extends LaneMarks {
  /** Whether jobs are due there that may be taken. */
  due: boolean;
}

/**
 * A statement that is being committed may carry a `run_at` a little older than what is visible now. Marks
 * stay this far behind, and an even later commit waits for the next refresh.
 */
const MARK_SLACK = "200 milliseconds";

/** A reading that begins at marks sees what was committed this late: no statement of ours may take longer. */
const LATEST_COMMIT = "5 seconds";

/** Marks below all that may be due. */
export const LOWEST_MARKS: LaneMarks = { mark: "-infinity", lanes: [] };

/**
 * Fresh marks of each source. Takes start at the marks, so that they do not wade through the dead index entries
 * of finished jobs, which nobody can remove while an old transaction is open anywhere in the database. Nor does this,
 * where `from` has marks of each source that were read before: it does not look further down than that.
 */
export async function readMarks(
  db: Database,
  sources: readonly Source[],
  from: readonly LaneMarks[] = sources.map(() => LOWEST_MARKS),
): Promise<Found[]> {
  const each = sources.flatMap(({ queue, kinds }, source) =>
    kinds.map((kind) => ({ source, queue, kind, mark: from[source]!.mark })),
  );
  const known = from.flatMap(({ lanes }, source) => lanes.map((lane) => ({ ...lane, source })));
  const [read] = await db.run(
    (sql) => sql<{ mark: string; lanes: (Lane & { source: number; paused: boolean })[] | null }[]>`
    select
      (now() - ${MARK_SLACK}::interval)::text as mark,
      (
        select json_agg(json_build_object(
          'source', number, 'kind', kind, 'priority', priority,
          'mark', (head.run_at - ${MARK_SLACK}::interval)::text,
          'paused', source.queue in (select name from jobsvc.queues where paused_at is not null)
        ))
        from unnest(
          ${each.map(({ source }) => source)}::int4[],
          ${each.map(({ queue }) => queue)}::text[],
          ${each.map(({ kind }) => kind)}::text[],
          ${each.map(({ mark }) => mark)}::timestamptz[]
        ) as source (number, queue, kind, mark)
        cross join generate_series(${HIGHEST_PRIORITY}::int, ${LOWEST_PRIORITY}::int) priority
        left join unnest(
          ${known.map(({ source }) => source)}::int4[],
          ${known.map(({ kind }) => kind)}::text[],
          ${known.map(({ priority }) => priority)}::int4[],
          ${known.map(({ mark }) => mark)}::timestamptz[]
        ) as known (number, kind, priority, mark) using (number, kind, priority)
        cross join lateral (
          select run_at
          from jobsvc.ready
          where ready.queue = source.queue and ready.kind = source.kind and ready.priority = priority.priority
            and run_at >= coalesce(known.mark, source.mark) - ${LATEST_COMMIT}::interval
          order by run_at, id
          limit 1
        ) head
        where head.run_at <= now()
      ) as lanes`,
  );
  const bySource = Map.groupBy(read?.lanes ?? [], ({ source }) => source);
  return sources.map((_, source) => {
    const lanes = bySource.get(source) ?? [];
    return {
      mark: read!.mark,
      lanes: lanes.map(({ kind, priority, mark }) => ({ kind, priority, mark })),
      due: lanes.some(({ paused }) => !paused),
    };
  });
}
