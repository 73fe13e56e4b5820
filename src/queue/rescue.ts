import type { Database } from "../db/connect.ts";

export interface Rescue {
  /** After this many lost attempts a job has killed enough workers and ends `failed`. */
  maxLosses: number;
  /** Leases a statement may handle: short transactions even after a long outage. */
  limit: number;
}

export interface Rescued {
  leases: number;
  /** Run again. */
  lost: number;
  /** Lost once too often. */
  crashed: number;
  /** Of kinds that must not run again once they were lost. */
  failed: number;
}

/** Lost jobs come back within this time, not all in the same instant and on the same worker. */
const SPREAD_MS = 1_000;

/** The lowest and the highest id: those of our own processes, which are made by chance, lie between them. */
const EDGES = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];

/**
 * Ends the attempts of leases whose worker is gone (expired, disowned or never registered), or is there but silent about
 * them, and lets their jobs run again. Jobs of such a lease that did end keep their ending: the insert conflicts.
 *
 * Guarantees: safe on every node at once and at any moment; no leader needed. Against a worker that is
 * only slow, whoever inserts the ending first wins, and both agree afterwards.
 *
 * A poison job must not kill the fleet for ever, nor take its neighbours with it. Lost jobs come back as
 * blocks of one. Once lost twice they are suspects, and a process runs one suspect at a time (see `take.ts`),
 * so of all that a dying process held, only one can come to its third loss. Every loss counts, also beside a
 * suspect: else a poison job that nobody suspects yet would let one innocent suspect after another die for it.
 * One loss alone makes no suspect: after an ordinary crash everything comes back at full speed.
 *
 * Leases are looked for between the ids of the processes that live, so that it does not matter how many these have had:
 * while an old transaction is open anywhere in the database, none that is gone can be cleared away.
 *
 * Jobs of kinds that must not be done twice (`fail_lost`) end here: nobody can tell how far they had got.
 */
export async function rescueJobs(db: Database, { maxLosses, limit }: Rescue): Promise<Rescued> {
  const [rescued] = await db.run((sql) => {
    const isSilent = sql`not exists (
            select from jobsvc.workers
            where workers.id = leases.worker_id and expires_at > now()
              and (ttl_ms is null or beaten_at > now() - ttl_ms * interval '1 millisecond')
          )`;
    return sql<Rescued[]>`
    with living as materialized (
      -- Pull workers are not among them: theirs may be silent about one job alone.
      select id from jobsvc.workers where expires_at > now() and ttl_ms is null
    ),
    gap as materialized (
      select lag(id) over (order by id) as above, id as below
      from (select unnest(${EDGES}::uuid[]) as id union all select id from living) worker
    ),
    orphaned as materialized (
      select *, losses + 1 as losses_now,
        case when fail_lost then 'failed' when losses + 1 >= ${maxLosses}::int then 'crashed' else 'lost' end as fate
      from (
        select lease.*
        from gap
        cross join lateral (
          select * from jobsvc.leases where worker_id > above and worker_id < below and ${isSilent}
          for update skip locked
        ) lease
        union all
        select * from (
          select * from jobsvc.leases where worker_id = any (${EDGES}::uuid[]) and ${isSilent} for update skip locked
        ) at_edge
        union all
        select * from (select * from jobsvc.leases where worker_id is null for update skip locked) disowned
      ) lease
      limit ${limit}
    ),
    ended as (
      insert into jobsvc.attempts (job_id, attempt, outcome, worker_id, started_at, finished_at, retry_at, error)
      select job.id, attempt,
        case fate when 'lost' then 'lost' else 'failed' end,
        worker_id, leased_at, now(),
        case fate when 'lost' then now() + random() * ${SPREAD_MS} * interval '1 millisecond' end,
        jsonb_build_object(
          'name', 'LostError',
          'reason', case fate when 'crashed' then 'crashed' else 'lost' end,
          'message', case fate
            when 'crashed' then format('lost with its worker %s times: the job seems to crash whoever runs it', losses_now)
            when 'failed' then 'the worker that ran this attempt is gone, and jobs of this kind are not run twice'
            else 'the worker that ran this attempt is gone'
          end
        )
      from orphaned
      cross join unnest(job_ids) as job (id)
      -- A job may be deleted while its lease stays for the sake of others.
      where exists (select from jobsvc.jobs where jobs.id = job.id)
      order by job.id, attempt
      on conflict do nothing
      returning job_id, attempt, retry_at, error ->> 'reason' as reason
    ),
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, losses, job_ids)
      select lost.queue, lost.kind, lost.priority, ended.retry_at, ended.attempt + 1, lost.failures, lost.losses_now,
        array[ended.job_id]
      from ended
      join (select *, unnest(job_ids) as job_id from orphaned) lost using (job_id, attempt)
      where ended.retry_at is not null
    ),
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select lost.queue, lost.kind, 'failed', count(*)
      from ended
      join (select *, unnest(job_ids) as job_id from orphaned) lost using (job_id, attempt)
      where ended.retry_at is null
      group by lost.queue, lost.kind
    ),
    freed as (
      delete from jobsvc.leases where id = any (array(select id from orphaned))
    ),
    forgotten as (
      -- A worker goes with the last of its leases. Should a take of its slip in now, its lease is an orphan next time.
      delete from jobsvc.workers
      where expires_at < now()
        and not exists (
          select from jobsvc.leases
          where leases.worker_id = workers.id and leases.id not in (select id from orphaned)
        )
    )
    select
      (select count(*) from orphaned)::int as leases,
      (select count(*) from ended where retry_at is not null)::int as lost,
      (select count(*) from ended where reason = 'crashed')::int as crashed,
      (select count(*) from ended where retry_at is null and reason = 'lost')::int as failed`;
  });
  return rescued ?? { leases: 0, lost: 0, crashed: 0, failed: 0 };
}
