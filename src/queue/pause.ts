import type { Database } from "../db/connect.ts";
import { WORK_CHANNEL } from "./channels.ts";

/** From this moment no worker takes jobs of the queue; what runs goes on. Pausing again changes nothing. */
export async function pauseQueue(db: Database, name: string): Promise<void> {
  await db.run(
    (sql) => sql`
    insert into jobsvc.queues (name, paused_at) values (${name}, now())
    on conflict (name) do update set paused_at = coalesce(queues.paused_at, excluded.paused_at)`,
  );
}

/** Lets the queue go on, and wakes its workers. */
export async function resumeQueue(db: Database, name: string): Promise<void> {
  await db.run(
    (sql) => sql`
    with resumed as (
      update jobsvc.queues set paused_at = null where name = ${name}
    )
    select pg_notify(${WORK_CHANNEL}, ${name})`,
  );
}
