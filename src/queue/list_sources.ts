import type { PendingQuery, Row } from "postgres";
import type { Database, Sql } from "../db/connect.ts";
import type { JobFilter } from "./list.ts";

/** Among which jobs all those are that fit a filter; each is there once. */
export interface Source {
  query: (sql: Sql) => PendingQuery<Row[]>;
  /** Whether it answers whole jobs, in an order that is that of their ids; or else their ids. */
  whole: boolean;
}

const everything: Source = { query: (sql) => sql`select * from jobsvc.jobs`, whole: true };

const ids = (query: Source["query"]): Source => ({ query, whole: false });

/** Among fewer jobs than this a search is shorter than among all of them. */
const FEW_JOBS = 10_000;
/** What waits is not counted further than this. */
const MOST_BLOCKS = 20_000;
/** Jobs with a tag are found in no order, so all of them are read for each page. */
const FEW_TAGGED = 2_000;

/** Where to look first: at the newest jobs, for in most lists those are meant. */
export function firstSource({ state, userId }: JobFilter): Source {
  if (userId !== undefined) return ids((sql) => sql`select id from jobsvc.jobs where user_id = ${userId}`);
  if (state === "running") return running;
  if (state === "failed") return failed;
  return everything;
}

/** Where to go on when too few of the newest jobs are meant. */
export async function nextSource(db: Database, filter: JobFilter): Promise<Source> {
  const { state, ended, tag } = filter;
  if (state === "running") return running;
  if ((isWaiting(filter) || ended === false) && (await areFewWaiting(db, filter))) {
    if (isWaiting(filter)) return waiting(filter);
    return ids((sql) => sql`${waiting(filter).query(sql)} union ${running.query(sql)}`);
  }
  if (tag !== undefined && (await areFewTagged(db, tag))) return tagged(tag);
  return state === "failed" ? failed : firstSource(filter);
}

/** A lease stays until the last of its jobs has ended, and may meanwhile name one that runs again under another. */
const running = ids((sql) => sql`select distinct unnest(job_ids) as id from jobsvc.leases`);

const failed = ids(
  (sql) => sql`select job_id as id from jobsvc.attempts where outcome = 'failed' and retry_at is null`,
);

/** Materialized, so that it is found by its index; else Postgres hopes to meet enough of them on a walk over all jobs. */
const tagged = (tag: string) =>
  ids(
    (sql) => sql`
      with tagged as materialized (
        select id from jobsvc.jobs where tags <> '{}' and tags @> array[${tag}]::text[]
      )
      select id from tagged`,
  );

const waiting = (filter: JobFilter) =>
  ids((sql) => sql`select distinct unnest(job_ids) as id from jobsvc.ready where ${fits(sql, filter)}`);

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
    select count(*)::int as jobs from (select from (${tagged(tag).query(sql)}) job limit ${FEW_TAGGED}) few`,
  );
  return found!.jobs < FEW_TAGGED;
}
