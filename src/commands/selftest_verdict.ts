import type { Database } from "../db/connect.ts";

/** What the tables say in the end. */
export interface Verdict {
  completed: number;
  /** Acknowledged, and not there or not completed. */
  lost: number;
  /** Attempts that were lost with their worker, or given back by one. */
  again: number;
  /** Attempts that another one followed although they had ended for good. */
  endedTwice: number;
  /** What must not be, in words. */
  problems: string[];
}

/** True once nothing waits or runs. */
export async function settled(db: Database): Promise<boolean> {
  const [row] = await db.run(
    (sql) => sql<{ settled: boolean }[]>`
    select not exists (select from jobsvc.ready) and not exists (select from jobsvc.leases) as settled`,
  );
  return row?.settled ?? false;
}

/** Compares what was acknowledged with what has become of it. */
export async function judge(db: Database, ids: readonly string[]): Promise<Verdict> {
  const [row] = await db.run(
    (sql) => sql<{ completed: number; again: number; endedTwice: number; gaps: number }[]>`
    with asked as (select unnest(${[...ids]}::uuid[]) as id),
    numbered as (
      select *, row_number() over (partition by job_id order by attempt) as place,
        lead(attempt) over (partition by job_id order by attempt) as next
      from jobsvc.attempts
    )
    select
      (select count(*)::int from asked join jobsvc.job_states using (id) where state = 'completed') as completed,
      (select count(*)::int from numbered where outcome in ('lost', 'released')) as again,
      (select count(*)::int from numbered where retry_at is null and next is not null) as "endedTwice",
      (select count(*)::int from numbered where attempt <> place) as gaps`,
  );
  const { completed, again, endedTwice, gaps } = row!;
  const lost = ids.length - completed;
  const problems = [
    ...(lost > 0 ? [`${lost} acknowledged jobs are not completed`] : []),
    ...(endedTwice > 0 ? [`${endedTwice} attempts ended twice`] : []),
    ...(gaps > 0 ? [`${gaps} attempts have a number that does not follow the one before`] : []),
  ];
  return { completed, lost, again, endedTwice, problems };
}
