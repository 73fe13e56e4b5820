import type { Database } from "../db/connect.ts";

/** Rows that one statement adds up. */
const BATCH = 10_000;

/**
 * Adds up the small sums that endings leave, where there are several for the same thing. Answers whether there may be
 * more. Safe on every node at once, and readers always see either the parts or their sum.
 */
export async function addUpTallies(db: Database): Promise<boolean> {
  const [sums] = await db.run(
    (sql) => sql<{ rows: number }[]>`
    with several as (
      select id
      from (
        select id, queue, kind, outcome, count(*) over (partition by queue, kind, outcome) as parts
        from jobsvc.tallies
      ) tally
      where parts > 1
      order by queue, kind, outcome
      limit ${BATCH}
    ),
    small as (
      delete from jobsvc.tallies
      where id in (select id from jobsvc.tallies where id in (select id from several) order by id for update skip locked)
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
