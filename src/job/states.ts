/** Every state a job can be in, from the moment it is inserted to its end. The one list: SQL, API and docs derive from it. */
export const JOB_STATES = [
  "scheduled",
  "available",
  "running",
  "retryable",
  "completed",
  "failed",
  "cancelled",
] as const;

export type JobState = (typeof JOB_STATES)[number];

/** The coarse words of the public API, kept for clients that know nothing finer. */
export const JOB_STATUSES = ["created", "processing", "completed", "failed", "cancelled"] as const;

export type JobStatus = (typeof JOB_STATUSES)[number];

const STATUS_OF_STATE: Record<JobState, JobStatus> = {
  scheduled: "created",
  available: "created",
  running: "processing",
  retryable: "created",
  completed: "completed",
  failed: "failed",
  cancelled: "cancelled",
};

export function statusOf(state: JobState): JobStatus {
  return STATUS_OF_STATE[state];
}

/** A final state is left only by an operator's retry. */
export function isFinal(state: JobState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}
