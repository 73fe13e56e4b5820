import { defineJob, HandlerError, Type } from "jobsvc";

/** A refusal is tried again soon: a scenario has no time for the usual curve. */
const RETRY_AFTER_MS = 100;

/** Calls the receiver, which writes it down. What a job is for, and all that it does. */
export default defineJob({
  kind: "call",
  payload: Type.Object({
    url: Type.String(),
    label: Type.String(),
    text: Type.String(),
    /** Holds up the whole process for so long, after the call. */
    block_ms: Type.Optional(Type.Number()),
  }),
  async run({ url, label, text, block_ms = 0 }, { job, attempt, signal }) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ job_id: job.id, attempt, worker: process.pid, label, text }),
      redirect: "manual",
      signal,
    }).catch((cause) => {
      throw new HandlerError("the receiver cannot be reached", { retryAfter: RETRY_AFTER_MS, cause });
    });
    for (const until = performance.now() + block_ms; performance.now() < until; );
    if (response.ok) return await response.json();
    if (response.status === 410) throw new HandlerError("gone", { retryAfter: false });
    const wished = Number(response.headers.get("retry-after"));
    const retryAfter = wished > 0 ? wished * 1_000 : RETRY_AFTER_MS;
    throw new HandlerError(`the receiver answers ${response.status}`, { retryAfter });
  },
});
