import type { Database } from "../../src/db/connect.ts";
import type { EventType } from "../../src/job/event.ts";
import type { TakenJob } from "../../src/job/job.ts";
import { type Line, reportLines } from "../../src/queue/report.ts";

/** Chunk number `seq`, as the attempt that holds this job tells it. */
export function line(
  { id, attempt }: Pick<TakenJob, "id" | "attempt">,
  seq: number,
  changes: Partial<Line> = {},
): Line {
  return { jobId: id, attempt, seq, type: "output", data: `{"chunk":${seq}}`, ...changes };
}

/** Writes chunks `from` to `to`. Answers how many were refused. */
export function tell(
  db: Database,
  job: Pick<TakenJob, "id" | "attempt">,
  from: number,
  to: number,
): Promise<number> {
  return reportLines(
    db,
    Array.from({ length: to - from + 1 }, (_, place) => line(job, from + place)),
  );
}

export interface LineRow {
  attempt: number;
  seq: number;
  type: EventType;
  data: string;
}

/** What the job told, in the order in which it told it. */
export async function linesOf(db: Database, jobId: string): Promise<LineRow[]> {
  return await db.run(
    (sql) => sql<LineRow[]>`
      select attempt, seq, type, data::text as data from jobsvc.events where job_id = ${jobId} order by attempt, seq`,
  );
}
