import type { Database } from "../db/connect.ts";
import { grouped } from "../db/grouped.ts";
import type { StoredError } from "../job/errors.ts";
import type { Outcome } from "../job/outcome.ts";
import type { JobState } from "../job/states.ts";
import type { Usage } from "../job/usage.ts";

export interface AttemptRecord {
  attempt: number;
  /** Null while the attempt runs. */
  outcome: Outcome | null;
  workerId: string | null;
  /** Null when the worker is gone. */
  workerName: string | null;
  startedAt: Date | null;
  finishedAt: Date | null;
  retryAt: Date | null;
  error: StoredError | null;
  usage: Usage | null;
}

/** A job with everything that is known of it. */
export interface JobRecord {
  id: string;
  kind: string;
  queue: string;
  priority: number;
  userId: string;
  resourceId: string;
  /** JSON text, exactly as it was sent. */
  payload: string;
  state: JobState;
  maxAttempts: number;
  scheduledAt: Date | null;
  /** When it is or was due; null once it has ended. */
  runAt: Date | null;
  timeoutMs: number | null;
  tags: string[];
  metadata: Record<string, unknown>;
  createdAt: Date;
  finishedAt: Date | null;
  attempts: AttemptRecord[];
  /** JSON text of what the last attempt returned. */
  result: string | null;
}

/** JSON carries times as text. */
type AttemptRow = {
  [Key in keyof AttemptRecord]: Date extends AttemptRecord[Key] ? string | null : AttemptRecord[Key];
};

type JobRow = Omit<JobRecord, "attempts"> & { attempts: AttemptRow[] };

/** With a `userId`, jobs of other users are not there. */
export type ReadJob = (id: string, userId?: string | null) => Promise<JobRecord | undefined>;

/** Most of a statement's cost is shared by so many; more would only make those with small jobs wait for large ones. */
const JOBS_AT_ONCE = 16;

/**
 * Reads jobs as they are when they are asked for. Those who ask together share a statement: most of what one costs it
 * costs however many jobs it answers, and reading is what clients do most.
 */
export function jobReader(db: Database): ReadJob {
  const ask = grouped((ids: readonly string[]) => readJobs(db, ids), JOBS_AT_ONCE);

  return async (id, userId = null) => {
    const asked = id.toLowerCase(); // as the database writes it
    const job = (await ask(asked)).get(asked);
    return userId === null || userId === job?.userId ? job : undefined;
  };
}

/** By their ids, those that there are. */
async function readJobs(db: Database, ids: readonly string[]): Promise<Map<string, JobRecord>> {
  const rows = await db.run(
    (sql) => sql<JobRow[]>`
    select job.*
    -- Keeps the planner from looking at the list: for a short one it would make a plan anew each time.
    from (select ${[...ids]}::uuid[] as ids offset 0) sent
    cross join lateral unnest(sent.ids) as asked (id)
    cross join lateral (
      select jobs.id, jobs.kind, jobs.queue, jobs.priority, jobs.user_id as "userId", jobs.resource_id as "resourceId",
        jobs.payload::text as payload, standing.state, jobs.max_attempts as "maxAttempts",
        jobs.scheduled_at as "scheduledAt", standing.run_at as "runAt", jobs.timeout_ms as "timeoutMs",
        to_json(jobs.tags) as tags, jobs.metadata, jobs.created_at as "createdAt",
        standing.finished_at as "finishedAt", ended.attempts, ended.result
      from jobsvc.jobs
      join jobsvc.job_states standing using (id)
      cross join lateral (
        select
          coalesce(json_agg(json_build_object(
            'attempt', attempt, 'outcome', outcome, 'workerId', worker_id, 'workerName', worker.name,
            'startedAt', started_at, 'finishedAt', finished_at, 'retryAt', retry_at, 'error', error,
            'usage', usage
          ) order by attempt), '[]') as attempts,
          (array_agg(result::text order by attempt desc))[1] as result
        from (
          select attempt, outcome, worker_id, started_at, finished_at, retry_at, error, result, usage
          from jobsvc.attempts
          where job_id = jobs.id
          union all
          select standing.ended_attempts + 1, null, standing.worker_id, standing.leased_at, null, null, null, null, null
          where standing.lease_id is not null
        ) attempt
        left join lateral (select name from jobsvc.workers where workers.id = attempt.worker_id) worker on true
      ) ended
      where jobs.id = asked.id
      -- Keeps it to the keys: nothing that it may believe of the tables makes it read them from end to end.
      limit 1
    ) job`,
  );
  return new Map(rows.map((row) => [row.id, { ...row, attempts: row.attempts.map(attemptRecord) }]));
}

function attemptRecord(row: AttemptRow): AttemptRecord {
  return {
    ...row,
    startedAt: date(row.startedAt),
    finishedAt: date(row.finishedAt),
    retryAt: date(row.retryAt),
  };
}

function date(text: string | null): Date | null {
  return text === null ? null : new Date(text);
}
