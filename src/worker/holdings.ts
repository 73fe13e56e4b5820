import type { TakenJob } from "../job/job.ts";
import type { AttemptKey } from "../queue/end.ts";

/** Why a running attempt is broken off. It is the reason of the handler's signal. */
export type Interruption = "cancelled" | "lost" | "released";

interface Held {
  job: TakenJob;
  controller: AbortController;
}

/** What this process holds: the jobs that run here, and the leases under which they were taken. */
export interface Holdings {
  /** Jobs that were taken and have not settled. */
  readonly size: number;
  /**
   * Calls `take` with whether it may bring a suspect along: only when none is held here, and one take at a time.
   */
  askForSuspect<T>(take: (suspects: boolean) => Promise<T>): Promise<T>;
  leases(): string[];
  /** Registers a taken job; the controller breaks it off. */
  hold(job: TakenJob): AbortController;
  /** The job has ended here, or was broken off: it no longer counts as held. */
  settle(job: TakenJob): void;
  interrupt(attempt: AttemptKey, why: Interruption): void;
  interruptJob(jobId: string, why: Interruption): void;
  interruptLease(leaseId: string, why: Interruption): void;
  interruptAll(why: Interruption): void;
}

/** A job that was lost this often is suspected of killing its worker (see `queue/rescue.ts`). */
const SUSPECT_LOSSES = 2;

export function holdings(): Holdings {
  const byJob = new Map<string, Held>();
  let suspects = 0;
  let asking = false;

  function interruptWhere(matches: (job: TakenJob) => boolean, why: Interruption) {
    for (const { job, controller } of byJob.values()) if (matches(job)) controller.abort(why);
  }

  return {
    get size() {
      return byJob.size;
    },
    async askForSuspect(take) {
      if (suspects > 0 || asking) return await take(false);
      asking = true;
      try {
        return await take(true);
      } finally {
        asking = false;
      }
    },
    leases: () => [...new Set([...byJob.values()].map(({ job }) => job.leaseId))],
    hold(job) {
      const controller = new AbortController();
      byJob.set(key(job.id, job.attempt), { job, controller });
      if (job.losses >= SUSPECT_LOSSES) suspects++;
      return controller;
    },
    settle(job) {
      if (byJob.delete(key(job.id, job.attempt)) && job.losses >= SUSPECT_LOSSES) suspects--;
    },
    interrupt({ jobId, attempt }, why) {
      byJob.get(key(jobId, attempt))?.controller.abort(why);
    },
    interruptJob: (jobId, why) => interruptWhere((job) => job.id === jobId, why),
    interruptLease: (leaseId, why) => interruptWhere((job) => job.leaseId === leaseId, why),
    interruptAll: (why) => interruptWhere(() => true, why),
  };
}

function key(jobId: string, attempt: number): string {
  return `${jobId}/${attempt}`;
}
