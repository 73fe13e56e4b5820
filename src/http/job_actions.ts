import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Elysia } from "elysia";
import { recordAudit } from "../access/audit.ts";
import type { Database } from "../db/connect.ts";
import { HIGHEST_PRIORITY, LOWEST_PRIORITY } from "../job/job.ts";
import { WHY_CODES, why } from "../job/why.ts";
import { cancelJob } from "../queue/cancel.ts";
import { changeJob, type JobChange } from "../queue/change.ts";
import { deleteJob } from "../queue/delete.ts";
import { jobReader } from "../queue/read.ts";
import { retryJob } from "../queue/retry.ts";
import { readWhyFacts } from "../queue/why.ts";
import { needs, principalOf } from "./auth.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { instantFaults } from "./instant.ts";
import { jobAnswer, refused } from "./job_answer.ts";
import { JobView } from "./job_view.ts";
import { notFound } from "./problem.ts";
import { readJson } from "./request_body.ts";
import { answered, INSTANT_PATTERN, JobId, nullable, ProblemBody, problems, word } from "./schemas.ts";

const JobChangeBody = Type.Object(
  {
    priority: Type.Optional(Type.Integer({ minimum: HIGHEST_PRIORITY, maximum: LOWEST_PRIORITY })),
    scheduled_at: Type.Optional(
      nullable(
        Type.String({ format: "date-time", pattern: INSTANT_PATTERN }),
        "Not before this time; null: at once.",
      ),
    ),
  },
  {
    $id: "JobChange",
    additionalProperties: false,
    description: "What is left out stays as it is.",
    examples: [{ priority: 1, scheduled_at: null }],
  },
);

const JobChangeCheck = TypeCompiler.Compile(JobChangeBody);
/** Two small fields. */
const MAX_CHANGE_BYTES = 4 * 1024;

const Why = answered(
  {
    code: word(WHY_CODES, "The one to program against."),
    detail: Type.String({ description: "The same for people." }),
  },
  { $id: "Why", description: "Why a job is not running." },
);

export function jobActionRoutes({ db }: { db: Database }) {
  const readJob = jobReader(db);

  return new Elysia({ name: "job actions", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ Job: JobView, JobChange: JobChangeBody, Why, Problem: ProblemBody })
    .post(
      "/:id/cancel",
      async ({ params: { id }, request }) => {
        const principal = principalOf(request);
        const answer = await cancelJob(db, id, principal.userId);
        if (answer === "not_found") throw notFound();
        if (answer === "already_final") throw await refused(readJob, id, principal, "already_final");
        await recordAudit(db, { principal, action: "job.cancel", jobId: id });
        return jobAnswer(readJob, id, principal);
      },
      {
        beforeHandle: needs("jobs:manage"),
        params: JobId,
        response: { 200: "Job", ...problems(401, 403, 404, 409, 429, 500, 503) },
        detail: {
          operationId: "cancelJob",
          "x-conflict": "already_final",
          summary: "Cancel a job",
          description:
            "Whether it waits or runs. A handler that runs is told to stop, and whatever it still answers is dropped.",
        },
      },
    )
    .post(
      "/:id/retry",
      async ({ params: { id }, request }) => {
        const principal = principalOf(request);
        const answer = await retryJob(db, id, principal.userId);
        if (answer === "not_found") throw notFound();
        if (answer === "not_final") throw await refused(readJob, id, principal, "not_final");
        await recordAudit(db, { principal, action: "job.retry", jobId: id });
        return jobAnswer(readJob, id, principal);
      },
      {
        beforeHandle: needs("jobs:manage"),
        params: JobId,
        response: { 200: "Job", ...problems(401, 403, 404, 409, 429, 500, 503) },
        detail: {
          operationId: "retryJob",
          "x-conflict": "not_final",
          summary: "Run a job again",
          description:
            "For a job that has ended, however it did. One that has used up its retries gets one more try.",
        },
      },
    )
    .patch(
      "/:id",
      async ({ params: { id }, request }) => {
        const principal = principalOf(request);
        const answer = await changeJob(db, id, await readChange(request), principal.userId);
        if (answer === "not_found") throw notFound();
        if (answer === "not_waiting") throw await refused(readJob, id, principal, "not_waiting");
        await recordAudit(db, { principal, action: "job.change", jobId: id });
        return jobAnswer(readJob, id, principal);
      },
      {
        beforeHandle: needs("jobs:manage"),
        parse: "none",
        params: JobId,
        body: "JobChange",
        response: { 200: "Job", ...problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503) },
        detail: {
          operationId: "changeJob",
          "x-conflict": "not_waiting",
          summary: "Change a job that waits",
          description:
            "Its priority, or when it is due. Of a job that waits for its next attempt, that attempt's time.",
        },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id }, request, set }) => {
        const principal = principalOf(request);
        const answer = await deleteJob(db, id, principal.userId);
        if (answer === "not_found") throw notFound();
        if (answer === "not_final") throw await refused(readJob, id, principal, "not_final");
        if (answer === "held") throw await refused(readJob, id, principal, "still_held");
        await recordAudit(db, { principal, action: "job.delete", jobId: id });
        set.status = 204;
      },
      {
        beforeHandle: needs("jobs:manage"),
        params: JobId,
        response: {
          204: Type.Void({ description: "It is gone." }),
          ...problems(401, 403, 404, 409, 429, 500, 503),
        },
        detail: {
          operationId: "deleteJob",
          "x-conflict": ["not_final", "still_held"],
          summary: "Delete a job that has ended",
          description: "With everything that is kept of it.",
        },
      },
    )
    .get(
      "/:id/why",
      async ({ params: { id }, request }) => {
        const facts = await readWhyFacts(db, id, principalOf(request).userId);
        if (!facts) throw notFound();
        return why(facts);
      },
      {
        beforeHandle: needs("jobs:read"),
        params: JobId,
        response: { 200: "Why", ...problems(401, 403, 404, 429, 500, 503) },
        detail: {
          operationId: "whyIsJobWaiting",
          summary: "Why is a job not running?",
          description:
            "The first thing that stands in its way, by the same rules by which workers take jobs.",
        },
      },
    );
}

async function readChange(request: Request): Promise<JobChange> {
  const { value } = await readJson(request, MAX_CHANGE_BYTES);
  if (!JobChangeCheck.Check(value)) throw invalid(fieldErrors(JobChangeCheck.Errors(value)));
  const faults = instantFaults(value.scheduled_at ?? null, "/scheduled_at");
  if (faults.length > 0) throw invalid(faults);
  const { priority, scheduled_at } = value;
  return {
    ...(priority !== undefined && { priority }),
    ...(scheduled_at !== undefined && { scheduledAt: scheduled_at === null ? null : new Date(scheduled_at) }),
  };
}
