/** Payload: the id of a job that was cancelled. */
export const CANCEL_CHANNEL = "jobsvc_cancelled";

/** Payload: the name of a queue that has work. */
export const WORK_CHANNEL = "jobsvc_work";
