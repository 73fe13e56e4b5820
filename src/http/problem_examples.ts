import { Problem, type ProblemKind, type ProblemParts, problemBody } from "./problem.ts";

const REQUEST_ID = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";

/** A way in which each refusal comes about. */
const PROBLEMS: Record<ProblemKind, [detail: string, parts?: ProblemParts]> = {
  malformed: ["the body is not JSON"],
  unauthorized: ["send an API key as Authorization: Bearer <key>"],
  forbidden: ["this API key lacks the scope jobs:manage", { more: { scope: "jobs:manage" } }],
  not_found: ["there is nothing at this address"],
  method_not_allowed: ["this address takes GET, HEAD"],
  too_slow: ["the body must be here within 25 seconds"],
  already_final: ["the job is completed already"],
  not_final: ["the job is running"],
  not_waiting: ["the job is running"],
  still_held: ["the job is cancelled, but who ran it has not let go of it yet"],
  stale: ["the job was cancelled", { more: { reason: "cancelled" } }],
  in_progress: ["the first request with this Idempotency-Key is still being answered"],
  key_reused: ["this Idempotency-Key was used for another request; choose a new one"],
  too_large: ["the body may have 589824 bytes"],
  unsupported_media_type: ["send the body with Content-Type: application/json"],
  invalid: [
    "one field is not valid",
    { errors: [{ pointer: "/priority", detail: "must be an integer from 1 to 9" }] },
  ],
  too_many_requests: ["this key may make 60000 read calls in 60 seconds"],
  internal: ["it was logged under this request's id"],
  unavailable: ["the database cannot be reached"],
};

export function exampleProblem(kind: ProblemKind) {
  const [detail, parts] = PROBLEMS[kind];
  return problemBody(new Problem(kind, detail, parts), REQUEST_ID);
}
