import type { Database } from "../db/connect.ts";
import type { Ending } from "../job/outcome.ts";
import type { StaleReason } from "../job/stale.ts";
import { endAttempts } from "./end.ts";
import { type HeldJob, readHeld } from "./held.ts";

/** What its holder says of the end of a job. */
export type HeldEnding = Pick<Ending, "outcome" | "failures" | "retryAfterMs" | "error" | "result" | "usage">;

/**
 * Ends one held job, through the fence as every ending. Answers null when this call has ended it; else why it counts for
 * nothing: somebody else has ended the attempt, or an earlier try of this very call. Undefined when the job has been
 * deleted meanwhile.
 *
 * `job` is what `readHeld` has just told; how long the attempt ran is measured up to there.
 */
export async function endHeld(
  db: Database,
  job: HeldJob,
  ending: HeldEnding,
): Promise<StaleReason | null | undefined> {
  const { leaseId, jobId, attempt, queue, kind, priority, losses, ranMs } = job;
  const nowMs = performance.now();
  const ended = await endAttempts(db, {
    workerId: job.workerId,
    endings: [{ leaseId, jobId, attempt, queue, kind, priority, losses, ranMs, endedAtMs: nowMs, ...ending }],
    doneLeases: job.alone ? [leaseId] : [],
    nowMs,
  });
  if (ended.length > 0) return null;
  return (await readHeld(db, job))?.stale ?? undefined;
}

/**
 * Takes away the lease of a job whose attempt has ended, once its holder knows: as long as it is there, a cancelled job
 * counts as being in somebody's hands.
 */
export async function letGo(db: Database, job: HeldJob): Promise<void> {
  if (!job.alone) return;
  await endAttempts(db, { workerId: job.workerId, endings: [], doneLeases: [job.leaseId], nowMs: 0 });
}
