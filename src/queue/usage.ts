import type { Database } from "../db/connect.ts";
import { patiently } from "../db/patient.ts";
import { sumOfUsage, type Usage } from "../job/usage.ts";
import type { AttemptKey } from "./end.ts";

/**
 * What the attempts of a job have used up that have ended; null when none has used anything. For the job itself, which
 * waits for the database while it is away.
 */
export async function readJobUsage(db: Database, jobId: string): Promise<Usage | null> {
  const rows = await patiently(() =>
    db.run(
      (sql) => sql<{ usage: Usage }[]>`
      select usage from jobsvc.attempts where job_id = ${jobId} and usage is not null`,
    ),
  );
  return sumOfUsage(rows.map(({ usage }) => usage));
}

/**
 * Adds to an ended attempt what it has used up, which whoever has ended it did not know: the ending stays what it is.
 * Does nothing where that is known, or the attempt has not ended.
 */
export async function recordUsage(db: Database, { jobId, attempt }: AttemptKey, usage: Usage): Promise<void> {
  await db.run(
    (sql) => sql`
    update jobsvc.attempts set usage = ${JSON.stringify(usage)}::text::jsonb
    where job_id = ${jobId} and attempt = ${attempt} and usage is null`,
  );
}
