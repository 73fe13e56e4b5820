import type { Database } from "../db/connect.ts";
import type { EndedAttempt } from "./channels.ts";
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
  /** Attempts that it runs, or is about to run. */
  heldAttempts: readonly AttemptKey[];
}

export interface BeatAnswer {
  /** Held leases that are no longer ours: the others took this worker for dead. */
  lostLeases: string[];
  /** Held attempts that somebody else has ended: cancelled, or told to us by whoever does the work. */
  ended: EndedAttempt[];
}

/**
 * Says that a worker is alive; the first beat registers it, and so does the first one after it was taken
 * for dead. A lease that the process no longer knows is disowned, so that rescue treats it as lost: an ending
 * that could never be written must not hold a job for ever. Young leases are exempt, for the answer
 * that carries them may still be on its way.
 */
export async function beat(
  db: Database,
  { worker, ttlMs, draining, heldLeases, heldAttempts }: Beat,
): Promise<BeatAnswer> {
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
        select coalesce(json_agg(json_build_object('jobId', job_id, 'attempt', attempt, 'outcome', outcome)), '[]')
        from unnest(
          ${heldAttempts.map(({ jobId }) => jobId)}::uuid[],
          ${heldAttempts.map(({ attempt }) => attempt)}::int4[]
        ) as held (job_id, attempt)
        join jobsvc.attempts using (job_id, attempt)
      ) as ended`,
  );
  return answer ?? { lostLeases: [], ended: [] };
}
