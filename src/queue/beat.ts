import type { Database } from "../db/connect.ts";
import type { AttemptKey } from "./end.ts";

/** A process that takes jobs, as the others see it. */
export interface WorkerIdentity {
  id: string;
  name: string;
  role: string;
  version: string;
  queues: readonly string[];
  kinds: readonly string[];
  slots: number;
}

export interface Beat {
  worker: WorkerIdentity;
  /** How long the worker counts as alive after this beat. */
  ttlMs: number;
  draining: boolean;
  /** Leases that the process holds, or null when it cannot tell (its main loop is busy). */
  heldLeases: readonly string[] | null;
}

export interface BeatAnswer {
  /** Held leases that are no longer ours: the others took this worker for dead. */
  lostLeases: string[];
  /** Attempts that were cancelled while this worker held them. */
  cancelled: AttemptKey[];
}

/**
 * Says that a worker is alive; the first beat registers it, and so does the first one after it was taken
 * for dead. A lease that the process no longer knows is disowned, so that rescue treats it as lost: an ending
 * that could never be written must not hold a job for ever. Young leases are exempt, for the answer
 * that carries them may still be on its way.
 */
export async function beat(db: Database, { worker, ttlMs, draining, heldLeases }: Beat): Promise<BeatAnswer> {
  const held = heldLeases ?? [];
  const [answer] = await db.run(
    (sql) => sql<BeatAnswer[]>`
    with alive as (
      insert into jobsvc.workers (id, name, role, version, queues, kinds, slots, expires_at, draining_at)
      values (
        ${worker.id}, ${worker.name}, ${worker.role}, ${worker.version},
        ${[...worker.queues]}::text[], ${[...worker.kinds]}::text[], ${worker.slots},
        now() + ${ttlMs} * interval '1 millisecond', case when ${draining}::boolean then now() end
      )
      on conflict (id) do update
      set expires_at = excluded.expires_at, draining_at = coalesce(workers.draining_at, excluded.draining_at)
    ),
    disowned as (
      update jobsvc.leases set worker_id = null
      where ${heldLeases !== null}::boolean and worker_id = ${worker.id} and id <> all (${[...held]}::uuid[])
        and leased_at < now() - ${ttlMs} * interval '1 millisecond'
    )
    select
      (
        select coalesce(json_agg(held.id), '[]')
        from unnest(${[...held]}::uuid[]) as held (id)
        where not exists (select from jobsvc.leases where leases.id = held.id and leases.worker_id = ${worker.id})
      ) as "lostLeases",
      (
        select coalesce(json_agg(json_build_object('jobId', attempts.job_id, 'attempt', attempts.attempt)), '[]')
        from jobsvc.leases
        cross join unnest(leases.job_ids) as job (id)
        join jobsvc.attempts on attempts.job_id = job.id and attempts.attempt = leases.attempt
        where leases.worker_id = ${worker.id} and attempts.outcome = 'cancelled'
      ) as cancelled`,
  );
  return answer ?? { lostLeases: [], cancelled: [] };
}
