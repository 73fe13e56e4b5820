import type { Database } from "../db/connect.ts";
import type { Held } from "./held.ts";

/**
 * A sign of life of a held job, and so of its worker. Answers until when it counts; undefined when the job is not in the
 * hands of a living worker any more, or in those of a process, which gives its signs of life in another way.
 */
export async function beatHeld(db: Database, held: Held): Promise<Date | undefined> {
  const expiresAt = await beat(db, held);
  if (expiresAt) return expiresAt;
  // Somebody may be at the lease in this moment: another sign of life, or whoever ends the job, and how is worth waiting for.
  await leftAlone(db, held);
  return await beat(db, held);
}

/** A lease that rescue looks at in this moment is passed by: to wait for it and then for its worker could deadlock. */
async function beat(db: Database, { leaseId, jobId, attempt }: Held): Promise<Date | undefined> {
  const [worker] = await db.run(
    (sql) => sql<{ expiresAt: Date }[]>`
    with lease as materialized (
      select id, worker_id from jobsvc.leases
      where id = ${leaseId} and attempt = ${attempt} and ${jobId}::uuid = any (job_ids)
      for update skip locked
    ),
    alive as (
      update jobsvc.workers set expires_at = greatest(expires_at, now() + ttl_ms * interval '1 millisecond')
      from lease
      where workers.id = lease.worker_id and ttl_ms is not null
      returning expires_at
    ),
    beaten as (
      update jobsvc.leases set beaten_at = now() where id in (select id from lease) and exists (select from alive)
    )
    select expires_at as "expiresAt" from alive`,
  );
  return worker?.expiresAt;
}

/** Waits for whoever has locked the lease, with nothing in hand for which he could wait. */
async function leftAlone(db: Database, { leaseId }: Held): Promise<void> {
  await db.run((sql) => sql`select from jobsvc.leases where id = ${leaseId} for update`);
}
