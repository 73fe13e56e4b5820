import type { Database } from "../db/connect.ts";

/** Which of these jobs have ended: their last ending is final. */
export async function readEnded(db: Database, ids: readonly string[]): Promise<string[]> {
  const rows = await db.run(
    (sql) => sql<{ id: string }[]>`
    select job.id
    from unnest(${[...ids]}::uuid[]) as job (id)
    cross join lateral (
      select retry_at from jobsvc.attempts where job_id = job.id order by attempt desc limit 1
    ) last
    where last.retry_at is null`,
  );
  return rows.map((row) => row.id);
}
