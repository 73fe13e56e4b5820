import { type Static, Type } from "@sinclair/typebox";
import type { HeldEnding } from "../queue/end_held.ts";
import type { HeldJob } from "../queue/held.ts";
import { answered, nullable, uuid, word } from "./schemas.ts";

export const LeaseEnded = answered(
  {
    job_id: uuid("The job's id."),
    attempt: Type.Integer({ minimum: 1, description: "The attempt that has ended." }),
    outcome: word(["completed", "failed", "snoozed", "released"], "How it ended."),
    retry_in_ms: nullable(
      Type.Integer(),
      "When the next attempt is due; null when the job has ended with this one.",
    ),
  },
  { $id: "LeaseEnded", description: "This call has ended the attempt." },
);

type LeaseEnded = Static<typeof LeaseEnded>;

export function endedView({ jobId, attempt }: HeldJob, { outcome, retryAfterMs }: HeldEnding): LeaseEnded {
  return {
    job_id: jobId,
    attempt,
    outcome: outcome as LeaseEnded["outcome"],
    retry_in_ms: retryAfterMs && Math.round(retryAfterMs),
  };
}
