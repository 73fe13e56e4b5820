import type { PendingQuery, Row } from "postgres";
import type { Database, Sql } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";
import type { Lane } from "./lanes.ts";
import { readTaken, type TakenRow } from "./taken_row.ts";

export interface Take {
  workerId: string;
  queue: string;
  lanes: readonly Lane[];
  /** At most this many jobs come back. */
  limit: number;
  /** At most this many blocks are locked: locking many to use one would starve the other workers. */
  blocks: number;
  /** Whether a job that was lost twice may come along; a process runs one such at a time. */
  suspects: boolean;
  /** Kinds whose jobs end as failed when they are lost: the lease says so to whoever rescues it. */
  failLost: readonly string[];
}

export interface Taken<Job extends TakenJob = TakenJob> {
  jobs: Job[];
  /** Size of the blocks that were found, from which the caller guesses how many to ask for next time. */
  blockSize: number;
}

/**
 * Takes due jobs, by priority and then by age, and answers them with the leases that hold them.
 *
 * Guarantees: two takers never get the same attempt, because a block is locked before it is read and
 * `skip locked` passes by what others hold; never more than `limit` jobs come back, whatever the plan;
 * the rest of a cut block stays where it was; a job that was cancelled while it waited is left out;
 * nothing is taken for a paused queue, nor by a worker that the others take for dead.
 *
 * Each lane is an exact index range that is read lazily: a mountain of future jobs, or of jobs of a kind
 * that this worker does not know, costs nothing. Among lanes of one priority the oldest head goes first.
 */
export async function takeJobs(db: Database, take: Take): Promise<Taken> {
  return await takeLeasing(db, take, together);
}

/** How taken jobs are leased: parts of the statement. */
export interface Leasing {
  /** What else has to be true for a suspect to come along. */
  suspects: PendingQuery<Row[]>;
  /** Values of `deadline_at` and `beaten_at`. */
  times: PendingQuery<Row[]>;
  /** What else jobs under one lease share. */
  shared: PendingQuery<Row[]>;
  /** By what a job finds its lease. */
  join: PendingQuery<Row[]>;
  /** What is answered of the lease besides. */
  answer: PendingQuery<Row[]>;
}

/** A lease for all that stand in the same place: one row for many jobs. */
const together = (sql: Sql): Leasing => ({
  suspects: sql`true`,
  times: sql`null, null`,
  shared: sql``,
  join: sql`using (kind, priority, attempt, failures, losses)`,
  answer: sql``,
});

/** Takes as `takeJobs` does, and leases in another way; `more` reads from a row what is answered besides. */
export async function takeLeasing<More>(
  db: Database,
  take: Take,
  leasing: (sql: Sql) => Leasing,
  more?: (row: More) => More,
): Promise<Taken<TakenJob & More>> {
  const { workerId, queue, lanes, limit, blocks, suspects, failLost } = take;
  const kinds = lanes.map((lane) => lane.kind);
  const rows = await db.run((sql) => {
    const parts = leasing(sql);
    return sql<(TakenRow & More)[]>`
    with lane as materialized (
      select lane.kind, lane.priority, lane.mark
      from unnest(
        ${kinds}::text[],
        ${lanes.map((lane) => lane.priority)}::int2[],
        ${lanes.map((lane) => lane.mark)}::timestamptz[]
      ) as lane (kind, priority, mark)
      cross join lateral (
        select run_at, id
        from jobsvc.ready
        where ready.queue = ${queue} and ready.kind = lane.kind and ready.priority = lane.priority
          and run_at between lane.mark and now() and losses < 2
        order by run_at, id
        limit 1
      ) head
      where not exists (select from jobsvc.queues where name = ${queue} and paused_at is not null)
        and exists (select from jobsvc.workers where workers.id = ${workerId} and expires_at > now())
      order by lane.priority, head.run_at, head.id
    ),
    ordinary as materialized (
      select block.*
      from lane
      cross join lateral (
        select *
        from jobsvc.ready
        where ready.queue = ${queue} and ready.kind = lane.kind and ready.priority = lane.priority
          and run_at between lane.mark and now() and losses < 2
        order by run_at, id
        limit ${blocks}
        for update skip locked
      ) block
      limit ${blocks}
    ),
    suspect as materialized (
      select *
      from jobsvc.ready
      where ${suspects} and ${parts.suspects} and queue = ${queue} and kind = any (${[...new Set(kinds)]}::text[]) and losses >= 2 and run_at <= now()
        and not exists (select from jobsvc.queues where name = ${queue} and paused_at is not null)
        and exists (select from jobsvc.workers where workers.id = ${workerId} and expires_at > now())
      order by run_at
      limit 1
      for update skip locked
    ),
    due as (
      select *, sum(portion) over (order by priority, run_at, id) - portion as jobs_before
      from (
        select *, size as portion from ordinary
        union all
        -- Suspects that ended together, to be tried again, may share a block.
        select *, 1 from suspect
      ) block
    ),
    picked as materialized (
      select *, least(portion, ${limit}::int - jobs_before) as wanted,
        json_build_object('size', size, 'waitedMs', extract(epoch from now() - run_at) * 1000)::text as block
      from due
      where jobs_before < ${limit}::int
    ),
    emptied as (
      delete from jobsvc.ready where id in (select id from picked where size <= wanted)
    ),
    cut as (
      update jobsvc.ready set job_ids = ready.job_ids[picked.wanted + 1:]
      from picked
      where ready.id = picked.id and picked.size > picked.wanted
    ),
    ended as materialized (
      select job_id, attempt
      from jobsvc.attempts
      -- One walk over the index for all of them, where a look for each would begin at its root.
      where job_id = any (array(select unnest(job_ids[:wanted]) from picked))
    ),
    taken as materialized (
      select picked.kind, picked.priority, picked.attempt, picked.failures, picked.losses, picked.block,
        job.id as job_id, row_number() over (order by picked.priority, picked.run_at, picked.id, job.place) as place
      from picked
      cross join lateral unnest(picked.job_ids[:picked.wanted]) with ordinality as job (id, place)
      where (job.id, picked.attempt) not in (select job_id, attempt from ended)
    ),
    leased as (
      insert into jobsvc.leases (
        worker_id, queue, kind, priority, attempt, failures, losses, fail_lost, job_ids, deadline_at, beaten_at
      )
      select ${workerId}, ${queue}, kind, priority, attempt, failures, losses, kind = any (${[...failLost]}::text[]),
        array_agg(job_id order by place), ${parts.times}
      from taken
      group by kind, priority, attempt, failures, losses ${parts.shared}
      returning kind, priority, attempt, failures, losses, job_ids[1] as first_id, deadline_at, json_build_object(
        'leaseId', id, 'kind', kind, 'queue', queue, 'priority', priority,
        'attempt', attempt, 'failures', failures, 'losses', losses
      )::text as lease
    )
    select job.id, job.user_id as "userId", job.resource_id as "resourceId", job.payload::text as payload,
      job.max_attempts as "maxAttempts", job.timeout_ms as "timeoutMs", job.metadata ->> 'traceparent' as traceparent,
      -- Told where it is another than that of the job before, which is rare.
      nullif(leased.lease, lag(leased.lease) over in_order) as lease,
      nullif(taken.block, lag(taken.block) over in_order) as block ${parts.answer}
    from taken
    join leased ${parts.join}
    cross join lateral (select * from jobsvc.jobs where jobs.id = taken.job_id limit 1) job
    window in_order as (order by taken.place)
    order by taken.place`;
  });
  return readTaken(rows, more);
}
