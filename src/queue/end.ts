import type { Database } from "../db/connect.ts";
import type { Ending } from "../job/outcome.ts";
import { endTogether } from "./end_together.ts";

/** An attempt, named as the fence knows it. */
export interface AttemptKey {
  jobId: string;
  attempt: number;
}

export interface End {
  /** Null where nobody knows any more who ran them. */
  workerId: string | null;
  endings: readonly Ending[];
  /** Leases all of whose jobs have ended, with these endings or with earlier ones. */
  doneLeases: readonly string[];
  /** `performance.now()` of this process, against which the endings' age is taken. */
  nowMs: number;
}

/**
 * Writes endings and, for those that ask for it, the block of the next attempt. Answers the attempts that
 * this call ended; one that is missing was ended by somebody else (cancelled, lost, or by an earlier try
 * of this very call), and its outcome counts for nothing.
 *
 * Guarantees: an attempt ends once, because `(job_id, attempt)` is the key of `attempts`; ending and next
 * attempt become visible at once; a repeat changes nothing. Keys go in sorted, as in every statement
 * that writes attempts, or two of them could wait for each other.
 *
 * Nearly always nobody else was first, so one statement writes all or nothing. Where it has written nothing, those that
 * somebody else has ended are left out: each time there are fewer.
 */
export async function endAttempts(db: Database, end: End): Promise<AttemptKey[]> {
  const endings = inOrder(end.endings);
  if (await endTogether(db, { ...end, endings }))
    return endings.map(({ jobId, attempt }) => ({ jobId, attempt }));
  const left = await open(db, endings);
  if (left.length === endings.length)
    throw new Error("endings are refused, although nobody has ended any of them");
  return await endAttempts(db, { ...end, endings: left });
}

/** Those that nobody has ended, of jobs that are still there. */
async function open(db: Database, endings: readonly Ending[]): Promise<Ending[]> {
  const places = await db.run(
    (sql) => sql<{ place: number }[]>`
    select ending.place::int
    from unnest(${endings.map(({ jobId }) => jobId)}::uuid[], ${endings.map(({ attempt }) => attempt)}::int4[])
      with ordinality ending (job_id, attempt, place)
    where exists (select from jobsvc.jobs where jobs.id = ending.job_id)
      and not exists (
        select from jobsvc.attempts
        where attempts.job_id = ending.job_id and attempts.attempt = ending.attempt
      )
    order by place`,
  );
  return places.map(({ place }) => endings[place - 1]!);
}

/** Named twice in one call, an attempt would be in its own way: the first ending counts. */
function inOrder(endings: readonly Ending[]): readonly Ending[] {
  const isBehind = (ending: Ending, place: number, all: readonly Ending[]) =>
    place === 0 || byKey(ending, all[place - 1]!) > 0;
  // Jobs that take no time end in the order in which they were taken.
  return endings.every(isBehind) ? endings : endings.toSorted(byKey).filter(isBehind);
}

function byKey(a: AttemptKey, b: AttemptKey): number {
  return a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : a.attempt - b.attempt;
}
