import { arrayLiteral } from "../db/arrays.ts";
import type { Sql } from "../db/connect.ts";
import type { Ending } from "../job/outcome.ts";

/**
 * Parts of the statement that writes endings (`end_together.ts`): what comes of them once all of them count. A part for
 * which there is nothing to do is left out.
 */

/** Attempts that are due at the same moment with the same standing wait as one block. */
export function nextAttempts(sql: Sql, endings: readonly Ending[]) {
  const retried = endings.filter((ending) => ending.retryAfterMs !== null);
  if (retried.length === 0) return sql``;
  const blocks = [...Map.groupBy(retried, standing).values()];
  const firsts = blocks.map(([first]) => first!);
  return sql`
    again as (
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, failures, losses, job_ids)
      select queue, kind, priority, now() + retry_after * interval '1 microsecond', attempt + 1, failures, losses,
        job_ids::uuid[]
      from unnest(
        ${firsts.map((first) => first.queue)}::text[], ${firsts.map((first) => first.kind)}::text[],
        ${firsts.map((first) => first.priority)}::int2[], ${firsts.map(retryAfter)}::int8[],
        ${firsts.map((first) => first.attempt)}::int4[], ${firsts.map((first) => first.failures)}::int2[],
        ${firsts.map((first) => first.losses)}::int2[],
        ${blocks.map((block) => arrayLiteral(block.map((ending) => ending.jobId)))}::text[]
      ) as block (queue, kind, priority, retry_after, attempt, failures, losses, job_ids)
      where (select whole from known)
    ),`;
}

function standing(ending: Ending): string {
  const { queue, kind, priority, attempt, failures, losses } = ending;
  return JSON.stringify([queue, kind, priority, retryAfter(ending), attempt, failures, losses]);
}

function retryAfter({ retryAfterMs }: Ending): number | null {
  return microseconds(retryAfterMs);
}

type Sum = Pick<Ending, "queue" | "kind" | "outcome"> & { jobs: number };

/** How many jobs of which lane have ended how, for good. */
export function sums(sql: Sql, endings: readonly Ending[]) {
  const sums: Sum[] = [];
  for (const { queue, kind, outcome, retryAfterMs } of endings) {
    if (retryAfterMs !== null) continue;
    // There are few of them, and mostly it is the first.
    const sum = sums.find((sum) => sum.kind === kind && sum.outcome === outcome && sum.queue === queue);
    if (sum) sum.jobs++;
    else sums.push({ queue, kind, outcome, jobs: 1 });
  }
  if (sums.length === 0) return sql``;
  return sql`
    tallied as (
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      select queue, kind, outcome, jobs
      from unnest(
        ${sums.map((sum) => sum.queue)}::text[], ${sums.map((sum) => sum.kind)}::text[],
        ${sums.map((sum) => sum.outcome)}::text[], ${sums.map((sum) => sum.jobs)}::int4[]
      ) as sum (queue, kind, outcome, jobs)
      where (select whole from known)
    ),`;
}

/** The clock of Postgres has no finer ones, and whole numbers are read faster. */
export function microseconds<Ms extends number | null>(ms: Ms): Ms {
  return (ms === null ? null : Math.round(ms * 1_000)) as Ms;
}
