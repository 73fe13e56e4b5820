import { Webhook } from "standardwebhooks";
import type { JobContext } from "../define.ts";

/** What a client is asked by every call: to run a job. */
const TYPE = "job.run";

/**
 * The body of a call. The payload stands in it character by character as it was sent: parsed and printed again,
 * `1e400` would become null and long numbers would be rounded.
 */
export function envelope({ job, attempt }: Pick<JobContext, "job" | "attempt">, now: Date): string {
  const frame = { type: TYPE, timestamp: now.toISOString() };
  const data = {
    job_id: job.id,
    attempt,
    kind: job.kind,
    queue: job.queue,
    user_id: job.userId,
    resource_id: job.resourceId,
  };
  return `${open(frame)},"data":${open(data)},"payload":${job.payloadText}}}`;
}

/** JSON of an object that goes on. */
function open(object: object): string {
  return JSON.stringify(object).slice(0, -1);
}

/**
 * The headers of Standard Webhooks: who receives the same id twice has been called again for the same job. Signed with
 * each of the secrets, so that a client that knows any of them is content.
 */
export function signed(
  id: string,
  body: string,
  secrets: readonly string[],
  now: Date,
): Record<string, string> {
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, now, body)).join(" "),
  };
}
