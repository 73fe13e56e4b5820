import type { Sql } from "../db/connect.ts";

/**
 * Parts of the statement that takes jobs (`take.ts`): whole blocks among those that were picked are deleted, the last is cut.
 *
 * Their lanes are named beside their ids, and between which places there they stand. With ids alone, and statistics of a
 * moment in which nothing waited, the planner looks for them in the index of the lanes, all of it: as long as an old
 * transaction is open anywhere in the database, nobody may clear it of the blocks that are gone.
 */
export function takingOut(sql: Sql) {
  const isPicked = sql`
      ready.queue = any (array(select queue from picked)) and ready.kind = any (array(select kind from picked))
        and ready.priority = any (array(select priority from picked))
        and (ready.run_at, ready.id) >= ((select run_at from first_picked), (select id from first_picked))
        and (ready.run_at, ready.id) <= ((select run_at from last_picked), (select id from last_picked))
        and ready.id = any (array(select id from picked)) and ready.id = picked.id`;
  return sql`
    first_picked as (select run_at, id from picked order by run_at, id limit 1),
    last_picked as (select run_at, id from picked order by run_at desc, id desc limit 1),
    emptied as (
      delete from jobsvc.ready using picked where ${isPicked} and picked.size <= picked.wanted
    ),
    cut as (
      update jobsvc.ready set job_ids = ready.job_ids[picked.wanted + 1:]
      from picked
      where ${isPicked} and picked.size > picked.wanted
    ),`;
}
