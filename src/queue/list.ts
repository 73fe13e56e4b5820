import type { Database, Sql } from "../db/connect.ts";
import { firstIdAt, LAST_ID } from "../job/id.ts";
import type { JobState } from "../job/states.ts";

/** Which jobs; what is not said does not matter. */
export interface JobFilter {
  state?: JobState;
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
/** A tag on fewer jobs than this is looked up; a commoner one is met on the way. */
const RARE_TAG_JOBS = 2_000;
/** Ids are dated by the clock of whoever made them, `created_at` by the database's. */
const CLOCK_SKEW_MS = 60 * 60 * 1000;

/**
 * A page of jobs. Looks at the newest jobs first, a window at a time, and at the table that holds the state
 * where that is the shorter way: leases for what runs, the index of failures for what failed.
 */
export async function listJobs(
  db: Database,
  filter: JobFilter,
  { limit, before }: { limit: number; before?: string | undefined },
): Promise<JobPage> {
  const giveUpAt = performance.now() + SEARCH_MS;
  const few = await fewCandidates(db, filter);
  const jobs: ListedJob[] = [];
  let from = before ?? newest(filter);
  for (;;) {
    const window = await readWindow(db, filter, { from, few, limit: limit + 1 - jobs.length });
    jobs.push(...window.jobs);
    if (jobs.length > limit) return { jobs: jobs.slice(0, limit), next: jobs[limit - 1]!.id };
    if (window.last === null) return { jobs, next: null };
    if (performance.now() > giveUpAt) return { jobs, next: window.last };
    from = window.last;
  }
}

function newest({ createdBefore }: JobFilter): string {
  return createdBefore ? firstIdAt(new Date(createdBefore.getTime() + CLOCK_SKEW_MS)) : LAST_ID;
}

/** The ids among which all matches are, where they are few; undefined where the newest jobs must be searched. */
async function fewCandidates(db: Database, { state, tag }: JobFilter): Promise<string[] | undefined> {
  if (state === "running") {
    const rows = await db.run((sql) => sql<{ id: string }[]>`select job_id as id from jobsvc.running_jobs`);
    return rows.map((row) => row.id);
  }
  if (tag === undefined) return undefined;
  const rows = await db.run(
    (sql) => sql<{ id: string }[]>`
    select id from jobsvc.jobs where tags <> '{}' and tags @> array[${tag}]::text[] limit ${RARE_TAG_JOBS}`,
  );
  return rows.length < RARE_TAG_JOBS ? rows.map((row) => row.id) : undefined;
}

interface Window {
  jobs: ListedJob[];
  /** The oldest job that was looked at; null when there is none older. */
  last: string | null;
}

async function readWindow(
  db: Database,
  filter: JobFilter,
  { from, few, limit }: { from: string; few: string[] | undefined; limit: number },
): Promise<Window> {
  const rows = await db.run(
    (sql) => sql<(ListedJob & { last: string | null; matches: boolean })[]>`
    with seen as materialized (
      select jobs.* from ${source(sql, filter, few)} where jobs.id < ${from} ${oldest(sql, filter)}
      order by jobs.id desc
      limit ${WINDOW}
    ),
    matching as (
      select seen.*, standing.state, standing.ended_attempts, standing.run_at, standing.finished_at
      from seen
      join jobsvc.job_states standing using (id)
      where true ${conditions(sql, filter)}
      order by seen.id desc
      limit ${limit}
    ),
    position as (
      select case when count(*) = ${WINDOW} then (array_agg(id order by id))[1] end as last from seen
    )
    select position.last, matching.id is not null as matches, matching.id, kind, queue, priority,
      user_id as "userId", resource_id as "resourceId", state, ended_attempts as "endedAttempts",
      max_attempts as "maxAttempts", scheduled_at as "scheduledAt", run_at as "runAt", to_json(tags) as tags,
      metadata, created_at as "createdAt", finished_at as "finishedAt"
    from position
    left join matching on true
    order by matching.id desc`,
  );
  const jobs = rows.filter((row) => row.matches).map(({ last: _, matches: __, ...job }) => job);
  return { jobs, last: rows[0]?.last ?? null };
}

/** Where candidates come from; always in the order of ids. */
function source(sql: Sql, { state, userId }: JobFilter, few: string[] | undefined) {
  const jobs = few
    ? sql`(select jobs.* from unnest(${few}::uuid[]) few (id) join jobsvc.jobs using (id)) jobs`
    : state === "failed"
      ? sql`jobsvc.attempts join jobsvc.jobs on jobs.id = attempts.job_id
          and attempts.outcome = 'failed' and attempts.retry_at is null`
      : sql`jobsvc.jobs`;
  return userId === undefined
    ? jobs
    : sql`${jobs} join (select ${userId}::uuid as id) owner on owner.id = jobs.user_id`;
}

function oldest(sql: Sql, { createdAfter }: JobFilter) {
  if (!createdAfter) return sql``;
  return sql`and jobs.id >= ${firstIdAt(new Date(createdAfter.getTime() - CLOCK_SKEW_MS))}`;
}

function conditions(sql: Sql, { state, kind, queue, tag, createdAfter, createdBefore }: JobFilter) {
  return sql`
    ${state === undefined ? sql`` : sql`and standing.state = ${state}`}
    ${kind === undefined ? sql`` : sql`and seen.kind = ${kind}`}
    ${queue === undefined ? sql`` : sql`and seen.queue = ${queue}`}
    ${tag === undefined ? sql`` : sql`and seen.tags @> array[${tag}]::text[]`}
    ${createdAfter === undefined ? sql`` : sql`and seen.created_at >= ${createdAfter}`}
    ${createdBefore === undefined ? sql`` : sql`and seen.created_at < ${createdBefore}`}`;
}
