import type { Database } from "../db/connect.ts";
import { endAttempts } from "./end.ts";
import type { SinglyTakenJob } from "./take_singly.ts";

/**
 * Gives jobs back that were taken for somebody who is not there any more to have them: they can run elsewhere at once,
 * and nothing counts against them, as it would if they were left to be lost.
 */
export async function giveBack(
  db: Database,
  workerId: string,
  jobs: readonly SinglyTakenJob[],
): Promise<void> {
  await endAttempts(db, {
    workerId,
    endings: jobs.map(({ id, attempt, leaseId, queue, kind, priority, failures, losses }) => ({
      jobId: id,
      attempt,
      leaseId,
      queue,
      kind,
      priority,
      outcome: "released",
      ranMs: 0,
      endedAtMs: 0,
      retryAfterMs: 0,
      failures,
      losses,
      error: null,
      result: null,
      usage: null,
    })),
    doneLeases: jobs.map(({ leaseId }) => leaseId),
    nowMs: 0,
  });
}
