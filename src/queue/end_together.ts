import { asItIs, column, plainLiteral } from "../db/arrays.ts";
import type { Database, Sql } from "../db/connect.ts";
import { isTaken } from "../db/deadline.ts";
import type { Ending } from "../job/outcome.ts";
import { microseconds, nextAttempts, sums } from "./after_endings.ts";

export interface EndTogether {
  workerId: string | null;
  /** Each attempt once, in the order of their keys. */
  endings: readonly Ending[];
  doneLeases: readonly string[];
  nowMs: number;
}

/**
 * Ends attempts, all of them or none: it answers false, and has changed nothing, when one of them has ended before or its
 * job has been deleted.
 *
 * What comes of it is known before anything is inserted, so blocks and sums are made here. To join, group and sort what an
 * insert has done costs the server as much as the insert.
 */
export async function endTogether(
  db: Database,
  { workerId, endings, doneLeases, nowMs }: EndTogether,
): Promise<boolean> {
  const jobs = endings.filter(({ jobId }, place) => jobId !== endings[place - 1]?.jobId).length;
  const attempt = column(endings, "attempt", asItIs);
  const outcome = column(endings, "outcome", asItIs);
  const retryAfter = column(endings, "retryAfterMs", microseconds);
  const error = column(endings, "error", json);
  const result = column(endings, "result", asItIs);
  const usage = column(endings, "usage", json);
  const run = (sql: Sql) => sql<{ whole: boolean }[]>`
    with sent as materialized (
      select ${plainLiteral(endings.map((ending) => ending.jobId))}::text::uuid[] as job_ids,
        ${attempt.all}::int4 as attempt, ${outcome.all}::text as outcome, ${retryAfter.all}::int8 as retry_after,
        ${error.all}::text as error, ${result.all}::text as result, ${usage.all}::text as usage
    ),
    known as materialized (
      -- A deleted job has no history left that would fence its attempts.
      select count(*) = ${jobs}::int as whole
      from jobsvc.jobs
      -- One walk over the index for all of them, where a look for each would begin at its root.
      where id = any ((select job_ids from sent)::uuid[])
    ),
    ending as (
      -- Lists that are read side by side in a select are not copied, as they would be in a from; the shorter end in nulls.
      select unnest(sent.job_ids) as job_id,
        unnest(${plainLiteral(endings.map((ending) => microseconds(ending.ranMs)))}::text::int8[]) as ran,
        unnest(${plainLiteral(endings.map((ending) => microseconds(nowMs - ending.endedAtMs)))}::text::int8[]) as age,
        unnest(${attempt.each}::int4[]) as attempt, unnest(${outcome.each}::text[]) as outcome,
        unnest(${retryAfter.each}::int8[]) as retry_after, unnest(${error.each}::text[]) as error,
        unnest(${result.each}::text[]) as result, unnest(${usage.each}::text[]) as usage
      from sent
    ),
    ended as (
      insert into jobsvc.attempts (
        job_id, attempt, outcome, worker_id, started_at, finished_at, retry_at, error, result, usage
      )
      select ending.job_id, coalesce(ending.attempt, sent.attempt), coalesce(ending.outcome, sent.outcome),
        ${workerId}::uuid, now() - (ending.age + ending.ran) * interval '1 microsecond',
        now() - ending.age * interval '1 microsecond',
        now() + coalesce(ending.retry_after, sent.retry_after) * interval '1 microsecond',
        coalesce(ending.error, sent.error)::jsonb, coalesce(ending.result, sent.result)::json,
        coalesce(ending.usage, sent.usage)::jsonb
      from ending
      cross join sent
      where (select whole from known)
      returning 1
    ),
    ${nextAttempts(sql, endings)}
    ${sums(sql, endings)}
    given_back as (
      -- A lease that rescue holds right now is about to be deleted there; waiting for it could deadlock. One that was
      -- disowned is for rescue as well: nobody else ends what was broken off here because it seemed to be lost.
      delete from jobsvc.leases
      -- By their ids alone: where many leases are gone that nobody may clear away, all other ways lead past each of them.
      where id = any (array(
        select id from jobsvc.leases
        where id = any (${[...doneLeases]}::uuid[]) and (worker_id = ${workerId}::uuid) is true and (select whole from known)
        for update skip locked
      ))
    )
    -- That the endings are counted has them inserted first: who waits for a key must not hold a lease meanwhile.
    select whole, (select count(*)::int from ended) as ended from known`;
  try {
    const [answer] = await db.run(run);
    return answer!.whole;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  }
}

function json(value: object | null): string | null {
  return value && JSON.stringify(value);
}
