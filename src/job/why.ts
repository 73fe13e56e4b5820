import type { JobState } from "./states.ts";

/** What is known of a job and of those who could run it; read by `queue/why.ts` with the predicates of take. */
export interface WhyFacts {
  state: JobState;
  queue: string;
  kind: string;
  /** When the job is due. */
  runAt: Date | null;
  pausedAt: Date | null;
  /** Living workers, not draining, that take jobs of this queue and know this kind. */
  workers: number;
  /** Until when the last such worker counted as alive; null when none is remembered. */
  lastSeenAt: Date | null;
  /** Slots of those workers, and how many of them are taken. */
  slots: number;
  slotsInUse: number;
  /** Due jobs of the same queue that go first. */
  jobsAhead: number;
}

export const WHY_CODES = [
  "ended",
  "running",
  "scheduled",
  "waiting_to_retry",
  "queue_paused",
  "no_worker",
  "all_slots_busy",
  "behind_others",
  "next",
] as const;

export interface Why {
  code: (typeof WHY_CODES)[number];
  detail: string;
}

/** Why a job is not running: the first thing that stands in its way, in the order in which they would be met. */
export function why(facts: WhyFacts): Why {
  const { state, queue, kind, runAt, pausedAt, workers, lastSeenAt, slots, slotsInUse, jobsAhead } = facts;
  const until = runAt?.toISOString() ?? "an unknown time";
  if (state === "completed" || state === "failed" || state === "cancelled") {
    return { code: "ended", detail: `the job is ${state}` };
  }
  if (state === "running") return { code: "running", detail: "the job is running" };
  if (state === "scheduled") return { code: "scheduled", detail: `scheduled for ${until}` };
  if (state === "retryable")
    return { code: "waiting_to_retry", detail: `waits until ${until} for its next attempt` };
  if (pausedAt)
    return { code: "queue_paused", detail: `the queue "${queue}" is paused since ${pausedAt.toISOString()}` };
  if (workers === 0) {
    const seen = lastSeenAt ? `the last one was seen at ${lastSeenAt.toISOString()}` : "none was ever seen";
    return {
      code: "no_worker",
      detail: `no living worker takes "${kind}" from the queue "${queue}"; ${seen}`,
    };
  }
  if (slotsInUse >= slots) {
    return { code: "all_slots_busy", detail: `all ${slots} slots are busy; ${jobsAhead} due jobs go first` };
  }
  if (jobsAhead > 0)
    return { code: "behind_others", detail: `${jobsAhead} due jobs of the queue "${queue}" go first` };
  return { code: "next", detail: "the job is next, and will be taken within a poll interval" };
}
