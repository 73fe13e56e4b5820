import type { Database } from "../../src/db/connect.ts";
import type { StoredError } from "../../src/job/errors.ts";
import type { Outcome } from "../../src/job/outcome.ts";
import type { JobState } from "../../src/job/states.ts";
import { until } from "./until.ts";

export const ids = (jobs: readonly { id: string }[]) => jobs.map((job) => job.id);

/** Empties every table but the one that says which migrations ran; a few rows are deleted faster than a table is cut. */
export async function clear(db: Database): Promise<void> {
  await db.run(
    (sql) => sql`
    do $$
    declare name text;
    begin
      for name in select format('jobsvc.%I', tablename) from pg_tables
        where schemaname = 'jobsvc' and tablename <> 'migrations'
      loop
        execute (case when pg_relation_size(name) > 100000 then 'truncate ' else 'delete from ' end) || name;
      end loop;
    end $$`,
  );
}

export async function stateOf(db: Database, id: string): Promise<JobState | undefined> {
  const [job] = await db.run(
    (sql) => sql<{ state: JobState }[]>`select state from jobsvc.job_states where id = ${id}`,
  );
  return job?.state;
}

/** How many jobs are in which state. */
export async function states(db: Database): Promise<Partial<Record<JobState, number>>> {
  const rows = await db.run(
    (sql) => sql<{ state: JobState; jobs: number }[]>`
      select state, count(*)::int as jobs from jobsvc.job_states group by state`,
  );
  return Object.fromEntries(rows.map(({ state, jobs }) => [state, jobs]));
}

export interface EndingRow {
  attempt: number;
  outcome: Outcome;
  workerId: string | null;
  startedAt: Date | null;
  finishedAt: Date;
  retryAt: Date | null;
  error: StoredError | null;
  result: string | null;
}

export async function endings(db: Database, id: string): Promise<EndingRow[]> {
  return await db.run(
    (sql) => sql<EndingRow[]>`
      select attempt, outcome, worker_id as "workerId", started_at as "startedAt", finished_at as "finishedAt",
        retry_at as "retryAt", error, result::text as result
      from jobsvc.attempts where job_id = ${id} order by attempt`,
  );
}

export async function outcomes(db: Database, id: string): Promise<Outcome[]> {
  return (await endings(db, id)).map((ending) => ending.outcome);
}

export interface BlockRow {
  queue: string;
  kind: string;
  priority: number;
  attempt: number;
  failures: number;
  losses: number;
  runAt: Date;
  jobIds: string[];
}

/** What waits, in the order of its due time. */
export async function blocks(db: Database): Promise<BlockRow[]> {
  return await db.run(
    (sql) => sql<BlockRow[]>`
      select queue, kind, priority, attempt, failures, losses, run_at as "runAt", to_json(job_ids) as "jobIds"
      from jobsvc.ready order by run_at, ready.id`,
  );
}

export interface LeaseRow {
  id: string;
  workerId: string | null;
  attempt: number;
  jobIds: string[];
}

export async function leases(db: Database): Promise<LeaseRow[]> {
  return await db.run(
    (sql) => sql<LeaseRow[]>`
      select id, worker_id as "workerId", attempt, to_json(job_ids) as "jobIds" from jobsvc.leases order by id`,
  );
}

/** Every row that says something about a job, to show that nothing has changed. */
export async function everything(db: Database): Promise<unknown> {
  const [tables] = await db.run(
    (sql) => sql`
    select
      (select json_agg(t order by t.id) from jobsvc.jobs t) as jobs,
      (select json_agg(t order by t.id) from jobsvc.ready t) as ready,
      (select json_agg(t order by t.id) from jobsvc.leases t) as leases,
      (select json_agg(t order by t.job_id, t.attempt) from jobsvc.attempts t) as attempts,
      (select json_agg(t order by t.id) from jobsvc.workers t) as workers,
      (select json_agg(t order by t.id) from jobsvc.tallies t) as tallies,
      (select json_agg(t order by t.resource_id) from jobsvc.agents t) as agents`,
  );
  return tables;
}

/** Waits until a statement in this database stands still behind a lock that another one holds. */
export async function blocked(db: Database): Promise<void> {
  await until("a statement that waits for a lock", async () => {
    const [waiting] = await db.run(
      (sql) => sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' limit 1`,
    );
    return waiting !== undefined;
  });
}

/** The clock that dates everything. */
export async function databaseNow(db: Database): Promise<Date> {
  const [row] = await db.run((sql) => sql<{ now: Date }[]>`select clock_timestamp() as now`);
  return row!.now;
}
