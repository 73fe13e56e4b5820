import type { PendingQuery, Row } from "postgres";
import type { Database, Sql } from "../db/connect.ts";
import type { JobFilter } from "./list.ts";

/** A query for ids, each of them once, among which are those of all jobs that fit a filter. */
export type Source = (sql: Sql) => PendingQuery<Row[]>;

/** Among fewer jobs than this a search is shorter than among all of them. */
const FEW_JOBS = 10_000;
/** What waits is not counted further than this. */
const MOST_BLOCKS = 20_000;
/** Jobs with a tag are found in no order, so all of them are read for each page. */
const FEW_TAGGED = 2_000;

/** Where to look first: at the newest jobs, for in most lists those are meant. */
export function firstSource({ state, userId }: JobFilter): Source {
  if (userId !== undefined) return (sql) => sql`select id from jobsvc.jobs where user_id = ${userId}`;
  if (state === "running") return running;
  if (state === "failed") return failed;
  return (sql) => sql`select id from jobsvc.jobs`;
}

/** Where to go on when too few of the newest jobs are meant. */
export async function nextSource(db: Database, filter: JobFilter): Promise<Source> {
  const { state, ended, tag } = filter;
  if (state === "running") return running;
  if ((isWaiting(filter) || ended === false) && (await areFewWaiting(db, filter))) {
    return isWaiting(filter) ? waiting(filter) : (sql) => sql`${waiting(filter)(sql)} union ${running(sql)}`;
  }
  if (tag !== undefined && (await areFewTagged(db, tag))) return tagged(tag);
  return state === "failed" ? failed : firstSource(filter);
}

/** A lease stays until the last of its jobs has ended, and may meanwhile name one that runs again under another. */
const running: Source = (sql) => sql`select distinct unnest(job_ids) as id from jobsvc.leases`;

const failed: Source = (sql) =>
  sql`select job_id as id from jobsvc.attempts where outcome = 'failed' and retry_at is null`;

const tagged =
  (tag: string): Source =>
  (sql) =>
    sql`select id from jobsvc.jobs where tags <> '{}' and tags @> array[${tag}]::text[]`;

const waiting =
  (filter: JobFilter): Source =>
  (sql) =>
    sql`select distinct unnest(job_ids) as id from jobsvc.ready where ${fits(sql, filter)}`;

function isWaiting({ state }: JobFilter): boolean {
  return state === "scheduled" || state === "available" || state === "retryable";
}

/** What a block tells of its jobs. */
function fits(sql: Sql, { state, kind, queue }: JobFilter) {
  const due = sql`run_at <= now()`;
  return sql`true
    ${state === "available" ? sql`and ${due}` : sql``}
    ${state === "scheduled" ? sql`and not ${due} and attempt = 1` : sql``}
    ${state === "retryable" ? sql`and not ${due} and attempt > 1` : sql``}
    ${kind === undefined ? sql`` : sql`and kind = ${kind}`}
    ${queue === undefined ? sql`` : sql`and queue = ${queue}`}`;
}

async function areFewWaiting(db: Database, filter: JobFilter): Promise<boolean> {
  const [found] = await db.run(
    (sql) => sql<{ blocks: number; jobs: number }[]>`
    select count(*)::int as blocks, coalesce(sum(size) filter (where ${fits(sql, filter)}), 0)::float8 as jobs
    from (select queue, kind, run_at, attempt, size from jobsvc.ready limit ${MOST_BLOCKS}) block`,
  );
  return found!.blocks < MOST_BLOCKS && found!.jobs <= FEW_JOBS;
}

async function areFewTagged(db: Database, tag: string): Promise<boolean> {
  const [found] = await db.run(
    (sql) => sql<{ jobs: number }[]>`
    select count(*)::int as jobs from (select from (${tagged(tag)(sql)}) job limit ${FEW_TAGGED}) job`,
  );
  return found!.jobs < FEW_TAGGED;
}
