import type { Database, Sql } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";
import { type Leasing, type Take, type Taken, takeLeasing } from "./take.ts";

interface Deadline {
  /** How long the attempt may take. */
  limitMs: number;
  /** When that time is over, and the attempt ends as failed. */
  deadlineAt: Date;
}

/** A job under a lease of its own, for which its worker gives signs of life. */
export type SinglyTakenJob = TakenJob & Deadline;

export interface TakeSingly extends Omit<Take, "suspects"> {
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
  { defaultLimitMs, ...take }: TakeSingly,
): Promise<Taken<SinglyTakenJob>> {
  return await takeLeasing(
    db,
    { ...take, suspects: true },
    (sql) => singly(sql, take.workerId, defaultLimitMs),
    readDeadline,
  );
}

const singly = (sql: Sql, workerId: string, defaultLimitMs: number): Leasing => ({
  suspects: sql`not exists (select from jobsvc.leases where worker_id = ${workerId} and losses >= 2)`,
  times: sql`
    now() + coalesce((select timeout_ms from jobsvc.jobs where jobs.id = job_id), ${defaultLimitMs}::float8)
      * interval '1 millisecond',
    now()`,
  shared: sql`, job_id`,
  join: sql`on leased.first_id = taken.job_id`,
  answer: sql`, leased.deadline_at as "deadlineAt",
      extract(epoch from leased.deadline_at - now())::float8 * 1000 as "limitMs"`,
});

const readDeadline = ({ deadlineAt, limitMs }: Deadline): Deadline => ({ deadlineAt, limitMs });
