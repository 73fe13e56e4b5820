import type { Database, Sql } from "../db/connect.ts";
import { firstIdAt, LAST_ID } from "../job/id.ts";
import type { JobState } from "../job/states.ts";
import { firstSource, nextSource, type Source } from "./list_sources.ts";

/** Which jobs; what is not said does not matter. */
export interface JobFilter {
  state?: JobState;
  /** Whether they have ended, however they did. */
  ended?: boolean;
  kind?: string;
  queue?: string;
  userId?: string;
  tag?: string;
  createdAfter?: Date;
  createdBefore?: Date;
}

export interface ListedJob {
  id: string;
  kind: string;
  queue: string;
  priority: number;
  userId: string;
  resourceId: string;
  state: JobState;
  endedAttempts: number;
  maxAttempts: number;
  scheduledAt: Date | null;
  runAt: Date | null;
  tags: string[];
  metadata: Record<string, unknown>;
  createdAt: Date;
  finishedAt: Date | null;
}

export interface JobPage {
  /** Newest first. */
  jobs: ListedJob[];
  /** Pass it as `before` for the next page; null when there is none. */
  next: string | null;
}

/** Jobs that one statement looks at, however few of them match: what a page costs is bounded. */
const WINDOW = 2_000;
/** A page that has found too little by then is answered as it is, with the place to go on from. */
const SEARCH_MS = 25;
/** Ids are dated by the clock of whoever made them, `created_at` by the database's. */
const CLOCK_SKEW_MS = 60 * 60 * 1000;

/**
 * A page of jobs, found by looking at the newest ones first, a window at a time. Where those do not fill the page, the
 * search goes on among fewer candidates, if there are such: what waits or runs, or who has the tag.
 *
 * Whoever follows `next` sees every job once that was there from the beginning and fits all the time, whatever is
 * inserted and ended meanwhile: a page begins below the last id of the one before.
 */
export async function listJobs(
  db: Database,
  filter: JobFilter,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<JobPage> {
  const giveUpAt = performance.now() + SEARCH_MS;
  const jobs: ListedJob[] = [];
  let source = firstSource(filter);
  let from = before ?? newest(filter);
  for (let windows = 1; ; windows++) {
    const window = await readWindow(db, filter, { source, from, limit: limit + 1 - jobs.length });
    jobs.push(...window.jobs);
    if (jobs.length > limit) return { jobs: jobs.slice(0, limit), next: jobs[limit - 1]!.id };
    if (window.last === null) return { jobs, next: null };
    if (performance.now() > giveUpAt) return { jobs, next: window.last };
    from = window.last;
    if (windows === 1) source = await nextSource(db, filter);
  }
}

function newest({ createdBefore }: JobFilter): string {
  return createdBefore ? firstIdAt(new Date(createdBefore.getTime() + CLOCK_SKEW_MS)) : LAST_ID;
}

interface Window {
  jobs: ListedJob[];
  /** The oldest job that was looked at; null when there is none older. */
  last: string | null;
}

/**
 * Jobs are read in the order of their ids and only until there are enough. The state comes from the view that every
 * reader uses; but that looks through all leases, so it is asked last, of those jobs that everything else speaks for. The
 * limits of one keep the planner to this way: planned for any user, it would rather sort all the jobs of a busy one.
 */
async function readWindow(
  db: Database,
  filter: JobFilter,
  { source, from, limit }: { source: Source; from: string; limit: number },
): Promise<Window> {
  const rows = await db.run((sql) => {
    const below = sql`from (${source.query(sql)}) candidate where id < ${from} ${oldest(sql, filter)} order by id desc`;
    const place = source.whole ? sql`jobs.id` : sql`seen.id`;
    const window = source.whole
      ? sql`(select * ${below} limit ${WINDOW}) jobs`
      : sql`(select id ${below} limit ${WINDOW}) seen
          cross join lateral (select * from jobsvc.jobs where jobs.id = seen.id limit 1) jobs`;
    return sql<(ListedJob & { last: string | null; matches: boolean })[]>`
    select position.last, matching.id is not null as matches, matching.id, kind, queue, priority,
      user_id as "userId", resource_id as "resourceId", state, ended_attempts as "endedAttempts",
      max_attempts as "maxAttempts", scheduled_at as "scheduledAt", run_at as "runAt", to_json(tags) as tags,
      metadata, created_at as "createdAt", finished_at as "finishedAt"
    from (select (select id ${below} offset ${WINDOW - 1} limit 1) as last) position
    left join (
      select likely.*, standing.state, standing.ended_attempts, standing.run_at, standing.finished_at
      from (
        select ${place} as place, jobs.*
        from ${window}
        left join lateral (
          select attempt, outcome, retry_at from jobsvc.attempts where job_id = jobs.id order by attempt desc limit 1
        ) last on true
        where true ${facts(sql, filter)} ${signs(sql, filter)}
        order by ${place} desc
        offset 0
      ) likely
      cross join lateral (select * from jobsvc.job_states where job_states.id = place limit 1) standing
      where true ${states(sql, filter)}
      order by place desc
      limit ${limit}
    ) matching on true
    order by place desc`;
  });
  const jobs = rows.filter((row) => row.matches).map(({ last: _, matches: __, ...job }) => job);
  return { jobs, last: rows[0]?.last ?? null };
}

function oldest(sql: Sql, { createdAfter }: JobFilter) {
  if (!createdAfter) return sql``;
  return sql`and id >= ${firstIdAt(new Date(createdAfter.getTime() - CLOCK_SKEW_MS))}`;
}

/** What never changes. */
function facts(sql: Sql, { kind, queue, userId, tag, createdAfter, createdBefore }: JobFilter) {
  return sql`
    ${kind === undefined ? sql`` : sql`and jobs.kind = ${kind}`}
    ${queue === undefined ? sql`` : sql`and jobs.queue = ${queue}`}
    ${userId === undefined ? sql`` : sql`and jobs.user_id = ${userId}`}
    ${tag === undefined ? sql`` : sql`and jobs.tags @> array[${tag}]::text[]`}
    ${createdAfter === undefined ? sql`` : sql`and jobs.created_at >= ${createdAfter}`}
    ${createdBefore === undefined ? sql`` : sql`and jobs.created_at < ${createdBefore}`}`;
}

/** What the last ending tells of the state. */
function signs(sql: Sql, { state, ended }: JobFilter) {
  const isFinal = sql`last.attempt is not null and last.retry_at is null`;
  const isOpen = sql`(last.attempt is null or last.retry_at is not null)`;
  const runAt = sql`coalesce(last.retry_at, greatest(jobs.scheduled_at, jobs.created_at))`;
  const ofState = {
    scheduled: () => sql`and last.attempt is null and ${runAt} > now()`,
    retryable: () => sql`and last.attempt is not null and ${isOpen} and ${runAt} > now()`,
    available: () => sql`and ${isOpen} and ${runAt} <= now()`,
    running: () => sql`and ${isOpen}`,
    completed: () => sql`and ${isFinal} and last.outcome = 'completed'`,
    failed: () => sql`and ${isFinal} and last.outcome = 'failed'`,
    cancelled: () => sql`and ${isFinal} and last.outcome = 'cancelled'`,
  };
  return sql`
    ${state === undefined ? sql`` : ofState[state]()}
    ${ended === undefined ? sql`` : ended ? sql`and ${isFinal}` : sql`and ${isOpen}`}`;
}

function states(sql: Sql, { state, ended }: JobFilter) {
  return sql`
    ${state === undefined ? sql`` : sql`and standing.state = ${state}`}
    ${ended === undefined ? sql`` : sql`and (standing.finished_at is not null) = ${ended}`}`;
}
