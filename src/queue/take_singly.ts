import type { Database, Sql } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";
import type { Leasing } from "./leasing.ts";
import { type Ask, type Take, takeLeasing } from "./take.ts";
import type { Taken } from "./taken_row.ts";

interface Deadline {
  /** How long the attempt may take. */
  limitMs: number;
  /** When that time is over, and the attempt ends as failed. */
  deadlineAt: Date;
}

/** A job under a lease of its own, for which its worker gives signs of life. */
export type SinglyTakenJob = TakenJob & Deadline;

export interface TakeSingly extends Omit<Take, "asks"> {
  ask: Omit<Ask, "suspects">;
  /** Time limit of a job that brings none. */
  defaultLimitMs: number;
}

/**
 * Takes jobs as `takeJobs` does, with all that it guarantees, for a worker that is no process of ours: each job gets a
 * lease of its own, because such a worker keeps it alive, tells of it and ends it by itself; and a deadline, because
 * nobody there need obey one. Such a worker holds one suspect at a time, too: the tables know what it holds.
 */
export async function takeSingly(
  db: Database,
  { defaultLimitMs, ask, ...take }: TakeSingly,
): Promise<Taken<SinglyTakenJob>> {
  const [taken] = await takeLeasing<{ limitMs: number; deadlineAt: string }>(
    db,
    { ...take, asks: [{ ...ask, suspects: true }] },
    (sql) => singly(sql, take.workerId, defaultLimitMs),
  );
  return { ...taken!, jobs: taken!.jobs.map((job) => ({ ...job, deadlineAt: new Date(job.deadlineAt) })) };
}

const singly = (sql: Sql, workerId: string, defaultLimitMs: number): Leasing => ({
  suspects: sql`not exists (select from jobsvc.leases where worker_id = ${workerId} and losses >= 2)`,
  parts: sql`
      select ask, queue, kind, priority, attempt, failures, losses, size, waited_ms, array[job.id] as job_ids,
        jobs_before + job.place - 1 as jobs_before, row_number() over () as lease
      from block
      cross join lateral unnest(job_ids) with ordinality as job (id, place)`,
  times: sql`
        now() + coalesce((select timeout_ms from jobsvc.jobs where jobs.id = job_ids[1]), ${defaultLimitMs}::float8)
          * interval '1 millisecond' as deadline_at,
        now() as beaten_at`,
  answer: sql`,
        'deadlineAt', deadline_at, 'limitMs', date_part('epoch', deadline_at - now()) * 1000`,
});
