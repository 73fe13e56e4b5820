import { arrayLiteral } from "../db/arrays.ts";
import type { Database, Sql } from "../db/connect.ts";
import { isTaken } from "../db/deadline.ts";
import { insertNewKeys } from "../db/new_keys.ts";
import type { NewJob } from "../job/job.ts";
import { MAX_BLOCK_SIZE } from "./block.ts";
import { notifyWork } from "./channels.ts";
import { type Claim, unlessMade } from "./claim.ts";
import { type FreeSlots, type InsertedRow, starting } from "./direct_start.ts";
import { insertLane, shareLane } from "./insert_lane.ts";
import { newRows } from "./new_rows.ts";

/** Jobs that are inserted at most once, however often the request for them is repeated. */
export interface ClaimedJobs extends Claim {
  jobIds: readonly string[];
}

export interface Insert {
  jobs: readonly NewJob[];
  claims?: readonly ClaimedJobs[];
  /** Slots of this process: jobs that fit into them are not put into blocks (see `direct_start.ts`). */
  free?: FreeSlots | undefined;
  /** The workers of other processes hear of waiting jobs with the commit, and not from whoever inserts (see `announce.ts`). */
  tells?: boolean;
}

/**
 * Inserts jobs, all or none, and one block for each group of them that waits together. Answers the ids
 * that this call inserted: an id that is already there is left alone, so a repeat after an unknown
 * answer changes nothing, and so are all jobs whose claim somebody has made before.
 *
 * Guarantees: a job, its place in `ready` and its claim become visible at once; it is due at `scheduledAt`, never
 * earlier, and never in the past, else it would sort before jobs that have waited longer.
 */
export async function insertJobs(
  db: Database,
  jobs: readonly NewJob[],
  claims: readonly ClaimedJobs[] = [],
): Promise<string[]> {
  return ((await insertInto(db, { jobs, claims })) ?? jobs).map(({ id }) => id);
}

/** The same, with all that an insert can do beside it. Null when all jobs were inserted and wait, as they do as good as always. */
export async function insertInto(db: Database, insert: Insert): Promise<InsertedRow[] | null> {
  const { jobs, claims = [], free, tells = false } = insert;
  const [claim] = claims;
  const together = claims.length === 0 || claim!.jobIds.length === jobs.length;
  if (together && shareLane(jobs)) {
    try {
      return await insertLane(db, { jobs, claim, tells, free });
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
  return await insertAny(db, insert);
}

/** Any jobs, be they there already or not: the blocks are made of those that were inserted. */
async function insertAny(
  db: Database,
  { jobs, claims = [], free, tells = false }: Insert,
): Promise<InsertedRow[] | null> {
  const [answer] = await insertNewKeys(db, (sql, onConflict) => {
    const { sent, inserting } = newRows(sql, jobs);
    const { leases, waiting, leaseOf, joined } = starting(sql, free);
    return sql<Answer[]>`
    with ${claiming(sql, claims)} ${sent}
    inserted as (
      ${inserting}
      ${unlessClaimedBefore(sql, claims)}
      ${onConflict}
      returning id, queue, kind, priority, greatest(scheduled_at, created_at) as run_at
    ),
    ${leases}
    numbered as (
      select *, (row_number() over (partition by queue, kind, priority, run_at order by id) - 1)
        / ${MAX_BLOCK_SIZE}::int as block
      from inserted
      ${waiting}
    ),
    blocks as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
      select queue, kind, priority, run_at, 1, array_agg(id order by id)
      from numbered
      group by queue, kind, priority, run_at, block
      order by block
    ),
    told as (
      ${notifyWork(sql, sql`select distinct queue from numbered where ${tells}::boolean`)}
    )
    -- What is told has to be counted: Postgres leaves out a query that nobody asks for its rows.
    select count(*)::int as inserted, (select count(*) from told)::int as told, (
      -- Told one by one only when it has to be known which they are.
      select json_agg(json_build_object('id', inserted.id, 'leaseId', ${leaseOf}))
      from inserted
      ${joined}
      where ${free !== undefined}::boolean or (select count(*) from inserted) < ${jobs.length}::int
    ) as rows
    from inserted`;
  });
  return answer!.inserted === 0 ? [] : answer!.rows;
}

interface Answer {
  inserted: number;
  rows: InsertedRow[] | null;
}

/** An idempotency key is claimed in the statement that inserts its jobs: no crash can come between the two. */
function claiming(sql: Sql, claims: readonly ClaimedJobs[]) {
  if (claims.length === 0) return sql``;
  return sql`
    claim as materialized (
      select owner, key, request_hash, job_ids::uuid[] as job_ids
      from unnest(
        ${claims.map((claim) => claim.owner)}::text[],
        ${claims.map((claim) => claim.key)}::text[],
        ${claims.map((claim) => claim.requestHash)}::text[],
        ${claims.map((claim) => arrayLiteral(claim.jobIds))}::text[]
      ) as claim (owner, key, request_hash, job_ids)
    ),
    claimed as (
      insert into jobsvc.idempotency_keys (owner, key, request_hash, job_ids)
      select owner, key, request_hash, job_ids from claim order by owner, key
      ${unlessMade(sql)}
      returning job_ids
    ),`;
}

function unlessClaimedBefore(sql: Sql, claims: readonly ClaimedJobs[]) {
  if (claims.length === 0) return sql``;
  return sql`
      where job.id not in (select unnest(job_ids) from claim) or job.id in (select unnest(job_ids) from claimed)`;
}
