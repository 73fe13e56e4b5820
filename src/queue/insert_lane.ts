import type { Database, Sql } from "../db/connect.ts";
import type { NewJob } from "../job/job.ts";
import { MAX_BLOCK_SIZE } from "./block.ts";
import { notifyWork } from "./channels.ts";
import { type Claim, unlessMade } from "./claim.ts";
import { type FreeSlots, type InsertedRow, startingLane } from "./direct_start.ts";
import { newRows } from "./new_rows.ts";

/** Whether jobs wait in one lane for the same time, and stand in the order of their ids. */
export function shareLane(jobs: readonly NewJob[]): boolean {
  const [first] = jobs;
  const dueAt = first?.scheduledAt?.getTime();
  return jobs.every(
    (job, place) =>
      job.queue === first!.queue &&
      job.kind === first!.kind &&
      job.priority === first!.priority &&
      job.scheduledAt?.getTime() === dueAt &&
      (place === 0 || job.id > jobs[place - 1]!.id),
  );
}

export interface LaneInsert {
  jobs: readonly NewJob[];
  /** Of all jobs together. */
  claim: Claim | undefined;
  tells: boolean;
  free: FreeSlots | undefined;
}

/**
 * Inserts jobs that share a lane, all of them or none: it answers no rows when their claim was made before, null when all
 * wait, and throws when one of them is there already.
 *
 * Which ids make a block is known before anything is inserted, so that the server cuts the blocks out of the list that it
 * was sent. To gather, sort and number what an insert has done costs half as much again as the insert.
 */
export async function insertLane(
  db: Database,
  { jobs, claim, tells, free }: LaneInsert,
): Promise<InsertedRow[] | null> {
  const fits = free && free.queue === jobs[0]!.queue && free.kinds.includes(jobs[0]!.kind) ? free : undefined;
  const [answer] = await db.run((sql) => {
    const { sent, inserting } = newRows(sql, jobs);
    const isNew = claim ? sql`exists (select from claimed)` : sql`true`;
    const { leases, started, leaseId } = startingLane(sql, fits, isNew);
    return sql<{ inserted: boolean; started: number; leaseId: string | null }[]>`
    with ${sent}
    ${claim ? claiming(sql, claim) : sql``}
    inserted as (
      ${inserting}
      where ${isNew}
    ),
    ${leases}
    blocks as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
      select queue, kind, priority, greatest(scheduled_at, now()), 1, ids[first:first + ${MAX_BLOCK_SIZE - 1}::int]
      from sent
      cross join generate_series(1 + ${started}, cardinality(ids), ${MAX_BLOCK_SIZE}::int) first
      where ${isNew}
      order by first
    ),
    told as (
      ${notifyWork(sql, sql`select queue from sent where ${tells}::boolean and ${isNew} and cardinality(ids) > ${started}`)}
    )
    -- What is told has to be counted: Postgres leaves out a query that nobody asks for its rows.
    select ${isNew} as inserted, ${started} as started, ${leaseId} as "leaseId", (select count(*)::int from told) as told`;
  });
  const { inserted, started, leaseId } = answer!;
  if (!inserted) return [];
  return started === 0
    ? null
    : jobs.map(({ id }, place) => ({ id, leaseId: place < started ? leaseId : null }));
}

function claiming(sql: Sql, { owner, key, requestHash }: Claim) {
  return sql`
    claimed as (
      insert into jobsvc.idempotency_keys (owner, key, request_hash, job_ids)
      select ${owner}, ${key}, ${requestHash}, ids from sent
      ${unlessMade(sql)}
      returning key
    ),`;
}
