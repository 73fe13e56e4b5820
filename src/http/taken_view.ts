import { type Static, Type } from "@sinclair/typebox";
import type { SinglyTakenJob } from "../queue/take_singly.ts";
import { leaseIdOf } from "./lease_id.ts";
import { answered, instant, name, uuid } from "./schemas.ts";
import type { Taker } from "./taker_group.ts";

const TakenJobView = answered(
  {
    lease_id: Type.String({ description: "By which the worker keeps the job, tells of it and ends it." }),
    job_id: uuid("The job's id: the same in every attempt."),
    attempt: Type.Integer({ minimum: 1, description: "The number of this try." }),
    kind: name("What is to be done."),
    queue: name("Where it waited."),
    priority: Type.Integer({ description: "1 is taken first, 9 last." }),
    user_id: uuid("Whose job it is."),
    resource_id: uuid("What the job works with."),
    max_retries: Type.Integer({ description: "How often it runs again after a failure." }),
    timeout_ms: Type.Integer({ description: "How long this attempt may take." }),
    deadline_at: instant(
      "When that time is over, by the clock of the database; then the attempt ends as failed.",
    ),
    payload: Type.Unknown({ description: "The JSON value that was sent, character by character." }),
  },
  { $id: "TakenJob", description: "A job for the worker that has taken it." },
);

export const TakenView = answered(
  {
    worker_id: uuid("The worker, to be named at its next take."),
    ttl_ms: Type.Integer({ description: "How long it may be silent; a beat every third of that is good." }),
    jobs: Type.Array(TakenJobView, { description: "None when there was nothing to take." }),
  },
  { $id: "Taken", description: "What a worker has taken." },
);

/** As JSON. Payloads are texts of others and go in as they are: parsed and printed again, long numbers would be rounded. */
export function takenJson({ id, ttlMs }: Taker["worker"], jobs: readonly SinglyTakenJob[]): string {
  const head = JSON.stringify({ worker_id: id, ttl_ms: ttlMs }).slice(0, -1);
  return `${head},"jobs":[${jobs.map(jobJson).join(",")}]}`;
}

function jobJson(job: SinglyTakenJob): string {
  return `${JSON.stringify(view(job)).slice(0, -1)},"payload":${job.payload}}`;
}

function view(job: SinglyTakenJob): Omit<Static<typeof TakenJobView>, "payload"> {
  return {
    lease_id: leaseIdOf({ leaseId: job.leaseId, jobId: job.id, attempt: job.attempt }),
    job_id: job.id,
    attempt: job.attempt,
    kind: job.kind,
    queue: job.queue,
    priority: job.priority,
    user_id: job.userId,
    resource_id: job.resourceId,
    max_retries: job.maxAttempts - 1,
    timeout_ms: Math.round(job.limitMs),
    deadline_at: job.deadlineAt.toISOString(),
  };
}
