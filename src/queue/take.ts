import type { Database, Sql } from "../db/connect.ts";
import { HIGHEST_PRIORITY, LOWEST_PRIORITY, type TakenJob } from "../job/job.ts";
import type { LaneMarks, Source } from "./lanes.ts";
import { type Leasing, together } from "./leasing.ts";
import { takingOut } from "./take_out.ts";
import { ownOfJob, readTaken, type Taken, type TakenRow } from "./taken_row.ts";

/** What is wanted of one source. */
export interface Ask extends Source {
  marks: LaneMarks;
  /** At most this many jobs come back. */
  limit: number;
  /** At most this many blocks are locked: locking many to use one would starve the other workers. */
  blocks: number;
  /** Whether a job that was lost twice may come along. A process runs one such at a time, so one ask at most says so. */
  suspects: boolean;
}

export interface Take {
  workerId: string;
  /** No lane may stand in two of them. */
  asks: readonly Ask[];
  /** Kinds whose jobs end as failed when they are lost: the lease says so to whoever rescues it. */
  failLost: readonly string[];
}

/**
 * Takes due jobs, by priority and then by age, and answers for each ask those of its queue, with the leases that hold them.
 *
 * Guarantees: two takers never get the same attempt, because a block is locked before it is read and
 * `skip locked` passes by what others hold; never more than `limit` jobs come back, whatever the plan;
 * the rest of a cut block stays where it was; a job that was cancelled while it waited is left out;
 * nothing is taken for a paused queue, nor by a worker that the others take for dead.
 *
 * Each lane is an exact index range that is read lazily: a mountain of future jobs, or of jobs of a kind
 * that this worker does not know, costs nothing. Among lanes of one priority the oldest head goes first.
 */
export async function takeJobs(db: Database, take: Take): Promise<Taken[]> {
  return await takeLeasing(db, take, together);
}

/** Takes as `takeJobs` does, and leases in another way; `More` is what is answered of each lease besides. */
export async function takeLeasing<More>(
  db: Database,
  { workerId, asks, failLost }: Take,
  leasing: (sql: Sql) => Leasing,
): Promise<Taken<TakenJob & More>[]> {
  const kinds = asks.flatMap(({ kinds }, ask) => kinds.map((kind) => ({ ask, kind })));
  const lanes = asks.flatMap(({ marks }, ask) => marks.lanes.map((lane) => ({ ...lane, ask })));
  const suspicious = asks.findIndex(({ suspects }) => suspects);
  const rows = await db.run((sql) => {
    const { suspects, parts, times, answer } = leasing(sql);
    return sql<TakenRow[]>`
    with asked as materialized (
      select asked.queue, asked.mark, asked.jobs, asked.blocks, asked.number - 1 as ask
      from unnest(
        ${asks.map((ask) => ask.queue)}::text[],
        ${asks.map((ask) => ask.marks.mark)}::timestamptz[],
        ${asks.map((ask) => ask.limit)}::int4[],
        ${asks.map((ask) => ask.blocks)}::int4[]
      ) with ordinality as asked (queue, mark, jobs, blocks, number)
      where asked.queue not in (select name from jobsvc.queues where paused_at is not null)
        and exists (select from jobsvc.workers where workers.id = ${workerId} and expires_at > now())
    ),
    lane as materialized (
      select asked.ask, asked.queue, kind.kind, priority, coalesce(known.mark, asked.mark) as mark
      from unnest(${kinds.map(({ ask }) => ask)}::int4[], ${kinds.map(({ kind }) => kind)}::text[]) as kind (ask, kind)
      join asked using (ask)
      cross join generate_series(${HIGHEST_PRIORITY}::int, ${LOWEST_PRIORITY}::int) priority
      left join unnest(
        ${lanes.map((lane) => lane.ask)}::int4[],
        ${lanes.map((lane) => lane.kind)}::text[],
        ${lanes.map((lane) => lane.priority)}::int4[],
        ${lanes.map((lane) => lane.mark)}::timestamptz[]
      ) as known (ask, kind, priority, mark) using (ask, kind, priority)
    ),
    filled as materialized (
      select lane.*, head.id as head
      from lane
      cross join lateral (
        select run_at, id
        from jobsvc.ready
        where ready.queue = lane.queue and ready.kind = lane.kind and ready.priority = lane.priority
          and run_at between lane.mark and now() and losses < 2
        order by run_at, id
        limit 1
      ) head
      order by lane.priority, head.run_at, head.id
    ),
    ordinary as materialized (
      select asked.ask, asked.jobs as most, block.*
      from asked
      cross join lateral (
        select block.*
        from filled
        cross join lateral (
          select *
          from jobsvc.ready
          where ready.queue = filled.queue and ready.kind = filled.kind and ready.priority = filled.priority
            and run_at between filled.mark and now() and losses < 2
          order by run_at, id
          limit asked.blocks
          for update skip locked
        ) block
        where filled.ask = asked.ask
        limit asked.blocks
      ) block
    ),
    suspect as materialized (
      select ${suspicious}::int as ask, (select jobs from asked where ask = ${suspicious}) as most, *
      from jobsvc.ready
      where queue = (select queue from asked where ask = ${suspicious}) and ${suspects} and losses >= 2 and run_at <= now()
        -- As no index can look for it: the lanes, which have the kind too, are full of jobs that were never lost.
        and (kind = any (${[...(asks[suspicious]?.kinds ?? [])]}::text[])) is true
      order by run_at
      limit 1
      for update skip locked
    ),
    due as (
      select *, sum(portion) over (partition by ask order by priority, run_at, id) - portion as jobs_before
      from (
        select *, size as portion from ordinary
        union all
        -- Suspects that ended together, to be tried again, may share a block.
        select *, 1 from suspect
      ) block
    ),
    picked as materialized (
      select *, least(portion, most - jobs_before) as wanted
      from due
      where jobs_before < most
    ),
    ${takingOut(sql)}
    ended as materialized (
      select job_id, attempt
      from jobsvc.attempts
      -- One walk over the index for all of them, where a look for each would begin at its root.
      where job_id = any (array(select unnest(job_ids[:wanted]) from picked))
    ),
    block as materialized (
      select ask, queue, kind, priority, attempt, failures, losses, size, jobs_before,
        date_part('epoch', now() - run_at) * 1000 as waited_ms, array(
        select job.id
        from unnest(job_ids[:wanted]) with ordinality as job (id, place)
        where (job.id, picked.attempt) not in (select job_id, attempt from ended)
        order by job.place
      ) as job_ids
      from picked
    ),
    part as materialized (${parts}
      where job_ids <> '{}'
    ),
    lease as materialized (
      select *, gen_random_uuid() as id, ${times}
      from (
        select lease, ask, queue, kind, priority, attempt, failures, losses, max(size) as block_size,
          json_agg(json_build_array(jobs_before, cardinality(job_ids), waited_ms) order by jobs_before) as parts
        from part
        group by lease, ask, queue, kind, priority, attempt, failures, losses
      ) lease
      cross join lateral (
        select array(select unnest(job_ids) from part where part.lease = lease.lease order by jobs_before) as job_ids
      ) held
    ),
    leased as (
      insert into jobsvc.leases (
        id, worker_id, queue, kind, priority, attempt, failures, losses, fail_lost, job_ids, deadline_at, beaten_at
      )
      select id, ${workerId}, queue, kind, priority, attempt, failures, losses, kind = any (${[...failLost]}::text[]),
        job_ids, deadline_at, beaten_at
      from lease
    )
    select null as own, null as payload, null as traceparent, json_build_object(
        'ask', ask, 'more', more, 'blockSize', block_size, 'parts', parts, 'jobIds', job_ids, 'leaseId', id, 'kind', kind, 'queue', queue,
        'priority', priority, 'attempt', attempt, 'failures', failures, 'losses', losses ${answer}
      )::text as lease
    from lease
    cross join lateral (
      select (select count(*) from ordinary where ordinary.ask = lease.ask)
          = (select blocks from asked where asked.ask = lease.ask)
        -- What others hold may be cut by them, and the rest of it is due.
        or exists (select from filled where filled.ask = lease.ask and head not in (select id from ordinary)) as more
    ) left_over
    union all
    select ${ownOfJob(sql)}, payload::text, metadata ->> 'traceparent', null
    from jobsvc.jobs
    where id = any (array(select unnest(job_ids) from part))`;
  });
  return readTaken(rows, asks.length);
}
