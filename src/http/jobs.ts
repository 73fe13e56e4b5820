import { Type } from "@sinclair/typebox";
import { type Context, Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import type { Inserter } from "../queue/inserter.ts";
import { jobReader } from "../queue/read.ts";
import { needs, principalOf } from "./auth.ts";
import { boundFaults } from "./bound.ts";
import { invalid } from "./field_errors.ts";
import { insertOnce } from "./idempotency.ts";
import { jobAnswer } from "./job_answer.ts";
import { JobView } from "./job_view.ts";
import type { Kinds } from "./kinds.ts";
import { NewJobBody, readNewJob, sentJob } from "./new_job.ts";
import { MAX_JOB_BYTES } from "./payload.ts";
import { notFound } from "./problem.ts";
import { queryParameters } from "./query.ts";
import { readJson } from "./request_body.ts";
import {
  answered,
  IDEMPOTENCY_HEADER,
  IF_NONE_MATCH_HEADER,
  JobId,
  PREFER_HEADER,
  ProblemBody,
  problems,
  uuid,
} from "./schemas.ts";
import { TRACEPARENT_HEADER, traced } from "./traced.ts";
import { readWait, type Wait, WaitQuery } from "./wait.ts";
import type { Waiter } from "./waiter.ts";

export interface JobParts {
  db: Database;
  inserter: Inserter;
  waiter: Waiter;
  kinds: Kinds;
}

type Answering = Pick<Context, "request" | "server" | "set">;

/** For the answer after a wait. */
const SILENCE_AFTER_WAIT_S = 30;

const CreatedJob = answered(
  { job_id: uuid("The job's id.") },
  { $id: "CreatedJob", description: "The job is committed." },
);

/** What creating a job can be refused for. */
const refusals = problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503);

export function jobRoutes({ db, inserter, waiter, kinds }: JobParts) {
  const once = insertOnce({ db, inserter });
  const readJob = jobReader(db);

  async function create({ request, set }: Pick<Context, "request" | "set">): Promise<string> {
    const principal = principalOf(request);
    const body = await readJson(request, MAX_JOB_BYTES);
    const job = readNewJob(sentJob(body), kinds);
    const faults = boundFaults(principal, job.userId);
    if (faults.length > 0) throw invalid(faults);
    const { jobIds, replayed } = await once({
      request,
      text: body.text,
      principal,
      jobs: traced([job], request),
    });
    const [id] = jobIds as [string];
    set.status = 201;
    set.headers.location = `/api/jobs/${id}`;
    if (replayed) set.headers["idempotency-replayed"] = "true";
    return id;
  }

  async function waitFor(id: string, { seconds, wished }: Wait, { request, server, set }: Answering) {
    if (seconds > 0) {
      // Else a connection on which nothing happens would be closed in the middle of it.
      server?.timeout(request, seconds + SILENCE_AFTER_WAIT_S);
      await waiter.ended(id, seconds * 1000, request.signal);
    }
    if (wished) set.headers["preference-applied"] = `wait=${seconds}`;
  }

  return (
    new Elysia({ name: "jobs", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
      .model({ NewJob: NewJobBody, CreatedJob, Job: JobView, Problem: ProblemBody })
      // The body is read and checked by hand: its payload is kept as text, and its size and depth before all else.
      .post("/create", async ({ request, set }) => ({ job_id: await create({ request, set }) }), {
        beforeHandle: needs("jobs:write"),
        parse: "none",
        body: "NewJob",
        response: { 201: "CreatedJob", ...refusals },
        detail: {
          operationId: "createJob",
          summary: "Create a job",
          description: "Answers once the job is committed. It then runs at least once.",
          parameters: [IDEMPOTENCY_HEADER, TRACEPARENT_HEADER],
        },
      })
      .post(
        "",
        async ({ request, server, set }) => {
          const wait = readWait(request);
          const id = await create({ request, set });
          await waitFor(id, wait, { request, server, set });
          return jobAnswer(readJob, id, principalOf(request));
        },
        {
          beforeHandle: needs("jobs:write"),
          parse: "none",
          body: "NewJob",
          // Not there: a job that was deleted before the same request came once more, or while it was waited for.
          response: { 201: "Job", ...refusals, ...problems(404) },
          detail: {
            operationId: "createJobAndWait",
            summary: "Create a job and read it",
            description: "Like createJob, but answers the job; on wish only after it has ended.",
            parameters: [
              IDEMPOTENCY_HEADER,
              TRACEPARENT_HEADER,
              PREFER_HEADER,
              ...queryParameters(WaitQuery),
            ],
          },
        },
      )
      .get(
        "/:id",
        async ({ params, request, server, set }) => {
          const wait = readWait(request);
          const principal = principalOf(request);
          // Nobody waits for what is not there, or not theirs.
          if (wait.seconds > 0 && !(await readJob(params.id, principal.userId))) throw notFound();
          await waitFor(params.id, wait, { request, server, set });
          return jobAnswer(readJob, params.id, principal, request.headers.get("if-none-match"));
        },
        {
          beforeHandle: needs("jobs:read"),
          params: JobId,
          response: {
            200: "Job",
            304: Type.Void({ description: "It is as it was seen." }),
            ...problems(401, 403, 404, 422, 429, 500, 503),
          },
          detail: {
            operationId: "getJob",
            summary: "Read a job",
            description: "Where the job is, every attempt with its error, and the result.",
            parameters: [IF_NONE_MATCH_HEADER, PREFER_HEADER, ...queryParameters(WaitQuery)],
          },
        },
      )
  );
}
