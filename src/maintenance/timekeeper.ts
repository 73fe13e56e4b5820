import type { Database } from "../db/connect.ts";
import type { Ending } from "../job/outcome.ts";
import type { RetryOf } from "../job/retry.ts";
import { TimeoutError, verdictOn } from "../job/verdict.ts";
import type { Emit } from "../observability/events.ts";
import { type AttemptKey, endAttempts } from "../queue/end.ts";
import { type OverdueLease, readOverdue } from "../queue/overdue.ts";
import type { Task } from "./task.ts";

export interface TimekeeperParts {
  db: Database;
  emit: Emit;
  retryOf: RetryOf;
}

/** Leases in one statement. */
const BATCH = 200;
/** A time limit is a second at least, and nobody minds one more. */
const EVERY_MS = 1_000;
/** Who ran it has been forgotten. */
const NOBODY = "unknown";

/**
 * Ends attempts whose time is over where no process of ours measures it: they fail as those in a process do, and are
 * tried again by the same rules. Whoever still works on one is told at the next call.
 */
export function timekeeper({ db, emit, retryOf }: TimekeeperParts): Task {
  async function endOverdue(workerId: string | null, leases: readonly OverdueLease[]): Promise<number> {
    const endings = leases.flatMap((lease) => lease.jobs.map((job) => ending(lease, job)));
    const ended = await endAttempts(db, {
      workerId,
      endings,
      doneLeases: leases.map(({ leaseId }) => leaseId),
      nowMs: 0,
    });
    for (const key of ended) tell(workerId, endings.find((ending) => isSame(ending, key))!);
    return ended.length;
  }

  function ending({ leaseId, workerId, limitMs }: OverdueLease, job: OverdueLease["jobs"][number]): Ending {
    const { maxAttempts, ...place } = job;
    const timeout = new TimeoutError(Math.round(limitMs));
    delete timeout.stack; // ours says nothing of the job
    const verdict = verdictOn(timeout, {
      retry: retryOf(job.kind),
      failures: job.failures,
      maxAttempts,
      random: Math.random(),
      complain: (error) => emit("handler.retry_failed", { ...fields(workerId, job), error }),
    });
    return { ...place, leaseId, endedAtMs: 0, result: null, usage: null, ...verdict };
  }

  function tell(workerId: string | null, ending: Ending) {
    const { ranMs, retryAfterMs } = ending;
    emit("job.timed_out", {
      ...fields(workerId, ending),
      ms: Math.round(ranMs),
      ...(retryAfterMs !== null && { retry_in_ms: Math.round(retryAfterMs) }),
    });
  }

  return {
    name: "timekeeper",
    everyMs: EVERY_MS,
    async runOnce() {
      for (let more = true; more; ) {
        const overdue = await readOverdue(db, BATCH);
        let ended = 0;
        for (const [workerId, leases] of Map.groupBy(overdue, (lease) => lease.workerId))
          ended += await endOverdue(workerId, leases);
        more = overdue.length === BATCH && ended > 0;
      }
    },
  };
}

function fields(workerId: string | null, { jobId, kind, queue, attempt }: Place) {
  return { job_id: jobId, kind, queue, attempt, worker_id: workerId ?? NOBODY };
}

type Place = Pick<Ending, "jobId" | "kind" | "queue" | "attempt">;

function isSame(ending: AttemptKey, { jobId, attempt }: AttemptKey): boolean {
  return ending.jobId === jobId && ending.attempt === attempt;
}
