import { type Static, Type } from "@sinclair/typebox";
import type { StoredError } from "../job/errors.ts";
import { OUTCOMES } from "../job/outcome.ts";
import { JOB_STATES, JOB_STATUSES, statusOf } from "../job/states.ts";
import { sumOfUsage } from "../job/usage.ts";
import type { AttemptRecord, JobRecord } from "../queue/read.ts";
import { answered, instant, name, nullable, open, uuid, word } from "./schemas.ts";

const JobError = Type.Recursive(
  (Cause) =>
    Type.Object({
      name: Type.String(),
      message: Type.String(),
      stack: Type.Optional(Type.String()),
      reason: Type.Optional(
        Type.String({
          description: "Why the attempt ended, in a word: `timed_out`, `crashed`, `budget_exceeded`, …",
        }),
      ),
      cause: Type.Optional(Cause),
    }),
  { $id: "JobError", description: "What a handler threw." },
);

const Usage = answered(
  {
    input_tokens: Type.Number({ description: "Tokens that the model was sent." }),
    output_tokens: Type.Number({ description: "Tokens that it answered." }),
    cost: Type.Optional(
      Type.Number({ description: "By the price of the agent; left out where it has none." }),
    ),
    estimated: Type.Optional(
      Type.Boolean({
        description: "Counted by the length of the texts: the server of the model told nothing.",
      }),
    ),
  },
  { $id: "Usage", description: "What was used up of a model." },
);

const Attempt = answered(
  {
    attempt: Type.Integer({ minimum: 1, description: "The number of the try." }),
    outcome: nullable(word(OUTCOMES), "How it ended; null while it runs."),
    worker_id: nullable(uuid(), "The worker that ran it; null when none did."),
    worker_name: nullable(Type.String(), "Null when the worker is gone."),
    started_at: nullable(instant(), "Null when it never started."),
    finished_at: nullable(instant(), "Null while it runs."),
    retry_at: nullable(instant(), "When the next attempt is due; null when the job ended here."),
    error: nullable(JobError, "Null when nothing was thrown."),
    usage: nullable(Usage, "What it used up of a model; null where it used none."),
  },
  { $id: "Attempt", description: "One try to do the job." },
);

export const JobView = answered(
  {
    job_id: uuid("Made by the service; a later job has a greater id."),
    user_id: uuid("Whose job it is."),
    resource_type: name("The kind of the job."),
    resource_id: uuid("What the job works with."),
    queue: name("The queue in which it waits."),
    priority: Type.Integer({ description: "1 is taken first, 9 last." }),
    state: word(JOB_STATES, "Where the job is."),
    status: word(JOB_STATUSES, "The same in coarser words."),
    payload: Type.Unknown({ description: "The JSON value that was sent, character by character." }),
    result: Type.Unknown({ description: "What the handler returned; null until then." }),
    attempts: Type.Array(Attempt, { description: "Every try so far, the running one last." }),
    usage: nullable(Usage, "What all attempts together used up of a model; null where none used any."),
    max_retries: Type.Integer({ description: "How often it runs again after a failure." }),
    scheduled_at: nullable(instant(), "As it was asked for; null when it was to run at once."),
    run_at: nullable(instant(), "When it is or was due; null once it has ended."),
    timeout_ms: nullable(Type.Integer(), "How long one attempt may run; null for what its kind allows."),
    tags: Type.Array(Type.String()),
    metadata: open("What was sent with the job."),
    created_at: instant("When it was created."),
    finished_at: nullable(instant(), "When it ended; null until then."),
  },
  { $id: "Job", description: "A job and everything that happened to it." },
);

type JobView = Static<typeof JobView>;

/**
 * The job as JSON. Payload and result are texts of others and go in as they are: parsed and printed again,
 * `1e400` would become null and long numbers would be rounded.
 */
export function jobJson(job: JobRecord): string {
  const { payload, result, ...rest } = view(job);
  return `${JSON.stringify(rest).slice(0, -1)},"payload":${payload},"result":${result}}`;
}

function view(job: JobRecord): JobView & { payload: string; result: string } {
  return {
    job_id: job.id,
    user_id: job.userId,
    resource_type: job.kind,
    resource_id: job.resourceId,
    queue: job.queue,
    priority: job.priority,
    state: job.state,
    status: statusOf(job.state),
    payload: job.payload,
    result: job.result ?? "null",
    attempts: job.attempts.map(attemptView),
    usage: sumOfUsage(job.attempts.map(({ usage }) => usage)),
    max_retries: job.maxAttempts - 1,
    scheduled_at: text(job.scheduledAt),
    run_at: text(job.runAt),
    timeout_ms: job.timeoutMs,
    tags: job.tags,
    metadata: job.metadata,
    created_at: job.createdAt.toISOString(),
    finished_at: text(job.finishedAt),
  };
}

function attemptView(attempt: AttemptRecord): Static<typeof Attempt> {
  return {
    attempt: attempt.attempt,
    outcome: attempt.outcome,
    worker_id: attempt.workerId,
    worker_name: attempt.workerName,
    started_at: text(attempt.startedAt),
    finished_at: text(attempt.finishedAt),
    retry_at: text(attempt.retryAt),
    error: attempt.error satisfies StoredError | null,
    usage: attempt.usage,
  };
}

function text(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
