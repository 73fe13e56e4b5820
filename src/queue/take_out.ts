import type { Sql } from "../db/connect.ts";

/**
 * Parts of the statement that takes jobs (`take.ts`): whole blocks among those that were picked are deleted, the last is cut.
 *
 * Their lanes and times are named beside their ids. With these alone, and statistics of a moment in which nothing waited,
 * the planner looks for ids in the index of the lanes, all of it: as long as an old transaction is open anywhere in the
 * database, nobody may clear it of the blocks that are gone.
 */
export function takingOut(sql: Sql) {
  const isPicked = sql`
      ready.queue = any (array(select queue from picked)) and ready.kind = any (array(select kind from picked))
        and ready.priority = any (array(select priority from picked))
        and ready.run_at between (select min(run_at) from picked) and (select max(run_at) from picked)
        and ready.id = any (array(select id from picked)) and ready.id = picked.id`;
  return sql`
    emptied as (
      delete from jobsvc.ready using picked where ${isPicked} and picked.size <= picked.wanted
    ),
    cut as (
      update jobsvc.ready set job_ids = ready.job_ids[picked.wanted + 1:]
      from picked
      where ${isPicked} and picked.size > picked.wanted
    ),`;
}
