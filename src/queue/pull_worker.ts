import type { Database } from "../db/connect.ts";

/** A worker that takes its jobs over HTTP. */
export interface PullWorker {
  id: string;
  name: string;
  queues: readonly string[];
  kinds: readonly string[];
  /** How many jobs it asks for beside those that it holds. */
  wanted: number;
  /** How long each of its signs of life counts. */
  ttlMs: number;
}

export const PULL_ROLE = "pull";

export interface PullPresence {
  /** Whether it holds a job that was lost twice: it must not get another one beside it. */
  holdsSuspect: boolean;
}

/**
 * Makes a worker over HTTP known, or known again, as one that is alive and asks for jobs. Undefined when the id belongs to
 * a process. A repeat changes nothing but the time.
 */
export async function registerPullWorker(
  db: Database,
  { id, name, queues, kinds, wanted, ttlMs }: PullWorker,
): Promise<PullPresence | undefined> {
  const [presence] = await db.run(
    (sql) => sql<PullPresence[]>`
    insert into jobsvc.workers (id, name, role, version, queues, kinds, slots, expires_at, ttl_ms)
    select ${id}, ${name}, ${PULL_ROLE}, '', ${[...queues]}::text[], ${[...kinds]}::text[], count(*) + ${wanted}::int,
      now() + ${ttlMs}::int * interval '1 millisecond', ${ttlMs}
    from jobsvc.running_jobs
    where worker_id = ${id}
    on conflict (id) do update
    set name = excluded.name, queues = excluded.queues, kinds = excluded.kinds, slots = excluded.slots,
      expires_at = excluded.expires_at, ttl_ms = excluded.ttl_ms
    where workers.role = ${PULL_ROLE}
    returning exists (
      select from jobsvc.leases where leases.worker_id = workers.id and losses >= 2
    ) as "holdsSuspect"`,
  );
  return presence;
}
