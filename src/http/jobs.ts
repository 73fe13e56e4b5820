import { Elysia } from "elysia";
import { recordAudit } from "../access/audit.ts";
import type { Principal } from "../access/principal.ts";
import type { Database } from "../db/connect.ts";
import { cancelJob } from "../queue/cancel.ts";
import type { Inserter } from "../queue/inserter.ts";
import { readJob } from "../queue/read.ts";
import { needs, principalOf } from "./auth.ts";
import { boundFaults } from "./bound.ts";
import { invalid } from "./field_errors.ts";
import { JobView, jobJson } from "./job_view.ts";
import { NewJobBody, readNewJob } from "./new_job.ts";
import { type CheckPayload, MAX_JOB_BYTES } from "./payload.ts";
import { notFound, Problem } from "./problem.ts";
import { readJson } from "./request_body.ts";
import { answered, JobId, ProblemBody, problems, uuid } from "./schemas.ts";

export interface JobParts {
  db: Database;
  inserter: Inserter;
  checkPayload: CheckPayload;
}

const CreatedJob = answered(
  { job_id: uuid("The job's id.") },
  { $id: "CreatedJob", description: "The job is committed." },
);

export function jobRoutes({ db, inserter, checkPayload }: JobParts) {
  return new Elysia({ name: "jobs", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ NewJob: NewJobBody, CreatedJob, Job: JobView, Problem: ProblemBody })
    .post(
      "/create",
      async ({ request, set }) => {
        const job = readNewJob(await readJson(request, MAX_JOB_BYTES), checkPayload);
        const faults = boundFaults(principalOf(request), job.userId);
        if (faults.length > 0) throw invalid(faults);
        await inserter.insert([job]);
        set.status = 201;
        set.headers.location = `/api/jobs/${job.id}`;
        return { job_id: job.id };
      },
      {
        beforeHandle: needs("jobs:write"),
        // The body is read and checked by hand: its payload is kept as text, and its size and depth before all else.
        parse: "none",
        body: "NewJob",
        response: { 201: "CreatedJob", ...problems(400, 401, 403, 413, 415, 422, 429, 500, 503) },
        detail: {
          operationId: "createJob",
          summary: "Create a job",
          description: "Answers once the job is committed. It then runs at least once.",
        },
      },
    )
    .get("/:id", async ({ params, request }) => jobAnswer(db, params.id, principalOf(request)), {
      beforeHandle: needs("jobs:read"),
      params: JobId,
      response: { 200: "Job", ...problems(401, 403, 404, 429, 500, 503) },
      detail: {
        operationId: "getJob",
        summary: "Read a job",
        description: "Where the job is, every attempt with its error, and the result.",
      },
    })
    .post(
      "/:id/cancel",
      async ({ params, request }) => {
        const principal = principalOf(request);
        const answer = await cancelJob(db, params.id, principal.userId);
        if (answer === "not_found") throw notFound();
        if (answer === "already_final") throw await alreadyFinal(db, params.id, principal);
        await recordAudit(db, { principal, action: "job.cancel", jobId: params.id });
        return jobAnswer(db, params.id, principal);
      },
      {
        beforeHandle: needs("jobs:manage"),
        params: JobId,
        response: { 200: "Job", ...problems(401, 403, 404, 409, 429, 500, 503) },
        detail: {
          operationId: "cancelJob",
          summary: "Cancel a job",
          description:
            "Whether it waits or runs. A handler that runs is told to stop, and whatever it still answers is dropped.",
        },
      },
    );
}

async function jobAnswer(db: Database, id: string, { userId }: Principal): Promise<Response> {
  const job = await readJob(db, id, userId);
  if (job === undefined) throw notFound();
  return new Response(jobJson(job), { headers: { "content-type": "application/json" } });
}

async function alreadyFinal(db: Database, id: string, { userId }: Principal): Promise<Problem> {
  const job = await readJob(db, id, userId);
  return job ? new Problem("already_final", `the job is ${job.state} already`) : notFound();
}
