import type { Database } from "../db/connect.ts";

/** Rows that one statement adds up. */
const BATCH = 10_000;

/** Adds up the small sums that endings leave. Answers whether there may be more. Safe on every node at once. */
export async function addUpTallies(db: Database): Promise<boolean> {
  const [sums] = await db.run(
    (sql) => sql<{ rows: number }[]>`
    with small as (
      delete from jobsvc.tallies
      where id in (select id from jobsvc.tallies order by id limit ${BATCH} for update skip locked)
      returning queue, kind, outcome, jobs
    ),
    sums as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, outcome, sum(jobs) from small group by queue, kind, outcome having sum(jobs) <> 0
    )
    select count(*)::int as rows from small`,
  );
  return sums?.rows === BATCH;
}
