import type { Database } from "../db/connect.ts";
import { patiently } from "../db/patient.ts";
import { sumOfUsage, type Usage } from "../job/usage.ts";

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
