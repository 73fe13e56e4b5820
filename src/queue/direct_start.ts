import type { PendingQuery, Row } from "postgres";
import type { Sql } from "../db/connect.ts";
import type { NewJob, TakenJob } from "../job/job.ts";

/** Free slots of a living worker, in a queue in which nothing waits for them. */
export interface FreeSlots {
  workerId: string;
  queue: string;
  slots: number;
  /** The kinds that the worker runs there, and those among all kinds whose jobs must not run again once they are lost. */
  kinds: readonly string[];
  failLost: readonly string[];
}

/** What an insert answers of a job. */
export interface InsertedRow {
  id: string;
  /** The lease under which it may start at once; null when it waits like any other. */
  leaseId: string | null;
}

/**
 * Parts of the statement that inserts jobs: those that are due and fit into the free slots get leases instead of blocks,
 * so that they start as soon as the insert is committed, without a take.
 *
 * Guarantees: a job is in a block or under a lease, never both and never neither, because one statement decides it. The
 * same jobs as by a take: none of a paused queue, none for a worker that the others take for dead. When the answer is
 * lost, nobody here knows the lease: it is disowned at a later beat, and rescue lets its jobs run again.
 */
export function starting(sql: Sql, free: FreeSlots | undefined) {
  if (free === undefined) return { leases: sql``, waiting: sql``, leaseOf: sql`null::uuid`, joined: sql`` };
  const { workerId, queue, slots, kinds, failLost } = free;
  return {
    leases: sql`
    started as materialized (
      select id, kind, priority
      from inserted
      where queue = ${queue} and kind = any (${[...kinds]}::text[]) and run_at <= now() and ${isOpen(sql, free)}
      order by priority, id
      limit ${slots}
    ),
    leased as (
      insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, fail_lost, job_ids)
      select ${workerId}, ${queue}, kind, priority, 1, kind = any (${[...failLost]}::text[]), array_agg(id order by id)
      from started
      group by kind, priority
      returning id, kind, priority
    ),`,
    waiting: sql`where id not in (select id from started)`,
    leaseOf: sql`leased.id`,
    joined: sql`left join started using (id)
    left join leased on leased.kind = started.kind and leased.priority = started.priority`,
  };
}

/**
 * The same for jobs that share a lane (see `insert_lane.ts`), which cost less: the first of them start, as many as there
 * are slots, if they are new. Without `free` none does.
 */
export function startingLane(sql: Sql, free: FreeSlots | undefined, isNew: PendingQuery<Row[]>) {
  if (free === undefined) return { leases: sql``, started: sql`0`, leaseId: sql`null::uuid` };
  const { workerId, slots, failLost } = free;
  return {
    leases: sql`
    leased as (
      insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, fail_lost, job_ids)
      select ${workerId}, queue, kind, priority, 1, kind = any (${[...failLost]}::text[]), ids[:${slots}::int]
      from sent
      where ${isNew} and (scheduled_at <= now()) is not false and ${isOpen(sql, free)}
      returning id, cardinality(job_ids) as jobs
    ),`,
    started: sql`coalesce((select jobs from leased), 0)`,
    leaseId: sql`(select id from leased)`,
  };
}

function isOpen(sql: Sql, { queue, workerId }: FreeSlots) {
  return sql`not exists (select from jobsvc.queues where name = ${queue} and paused_at is not null)
        and exists (select from jobsvc.workers where workers.id = ${workerId} and expires_at > now())`;
}

/** The jobs that may start at once, as a take would answer them. Without rows all of them wait. */
export function startedJobs(jobs: readonly NewJob[], rows: readonly InsertedRow[] | null): TakenJob[] {
  if (rows === null) return [];
  const byId = new Map(jobs.map((job) => [job.id, job]));
  return rows.flatMap(({ id, leaseId }) => {
    const job = byId.get(id);
    return job && leaseId !== null ? [startedJob(job, leaseId)] : [];
  });
}

function startedJob(job: NewJob, leaseId: string): TakenJob {
  const { id, kind, queue, priority, userId, resourceId, payload, maxAttempts, timeoutMs, metadata } = job;
  return {
    id,
    leaseId,
    kind,
    queue,
    priority,
    userId,
    resourceId,
    payload,
    maxAttempts,
    timeoutMs,
    traceparent: textOf(metadata.traceparent),
    attempt: 1,
    failures: 0,
    losses: 0,
    waitedMs: 0,
  };
}

/** What `->>` makes of a value of JSON. */
function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}
