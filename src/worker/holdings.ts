import { isSuspect, type TakenJob } from "../job/job.ts";
import type { Outcome } from "../job/outcome.ts";
import type { AttemptKey } from "../queue/end.ts";
import { Breaker } from "./breaker.ts";

/**
 * Why a running attempt is broken off: how somebody else has ended it, or that this process is about to release it. It
 * is the reason of the handler's signal.
 */
export type Interruption = Outcome;

/** What this process holds: the jobs that run here, and the leases under which they were taken. */
export interface Holdings {
  /** Jobs that were taken and have not settled. */
  readonly size: number;
  /**
   * Calls `take` with whether it may bring a suspect along: only when none is held here, and one take at a time.
   */
  askForSuspect<T>(take: (suspects: boolean) => Promise<T>): Promise<T>;
  leases(): string[];
  attempts(): AttemptKey[];
  /** Registers a taken job; the breaker breaks it off. */
  hold(job: TakenJob): Breaker;
  /** The job has ended here, or was broken off: it no longer counts as held. */
  settle(job: TakenJob): void;
  interrupt(attempt: AttemptKey, why: Interruption): void;
  interruptLease(leaseId: string, why: Interruption): void;
  interruptAll(why: Interruption): void;
}

export function holdings(): Holdings {
  /** By the job as it was taken, and not by its id: that is hashed once for every job and looked for once in a while. */
  const held = new Map<TakenJob, Breaker>();
  let suspects = 0;
  let asking = false;

  function interruptWhere(matches: (job: TakenJob) => boolean, why: Interruption) {
    for (const [job, breaker] of held) if (matches(job)) breaker.abort(why);
  }

  return {
    get size() {
      return held.size;
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
    leases: () => [...new Set(held.keys().map((job) => job.leaseId))],
    attempts: () => [...held.keys().map(({ id, attempt }) => ({ jobId: id, attempt }))],
    hold(job) {
      const breaker = new Breaker();
      held.set(job, breaker);
      if (isSuspect(job)) suspects++;
      return breaker;
    },
    settle(job) {
      if (held.delete(job) && isSuspect(job)) suspects--;
    },
    interrupt: ({ jobId, attempt }, why) =>
      interruptWhere((job) => job.id === jobId && job.attempt === attempt, why),
    interruptLease: (leaseId, why) => interruptWhere((job) => job.leaseId === leaseId, why),
    interruptAll: (why) => interruptWhere(() => true, why),
  };
}
