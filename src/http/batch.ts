import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Principal } from "../access/principal.ts";
import type { Database } from "../db/connect.ts";
import type { AskedJob } from "../job/job.ts";
import type { Inserter } from "../queue/inserter.ts";
import { needs, principalOf } from "./auth.ts";
import { boundFaults } from "./bound.ts";
import { invalid } from "./field_errors.ts";
import { insertOnce } from "./idempotency.ts";
import { elementTexts, memberTexts } from "./json_text.ts";
import type { Kinds } from "./kinds.ts";
import { NewJobBody, readNewJob, type SentJob, sentJob } from "./new_job.ts";
import { oneAtATime } from "./one_at_a_time.ts";
import { pointer } from "./pointer.ts";
import { type FieldError, Problem } from "./problem.ts";
import { JSON_TYPE, MAX_DEPTH, mediaType, parseJson, parseShallow, readText } from "./request_body.ts";
import { answered, IDEMPOTENCY_HEADER, ProblemBody, problems } from "./schemas.ts";
import { TRACEPARENT_HEADER, traced } from "./traced.ts";

export interface BatchParts {
  db: Database;
  inserter: Inserter;
  kinds: Kinds;
}

const MAX_JOBS = 10_000;
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
/** The list, and the job with its payload in it. */
const ENVELOPES = 2;
const NDJSON_TYPE = "application/x-ndjson";
/** So many are read before other requests get their turn: some milliseconds' worth. */
const JOBS_AT_A_STRETCH = 250;
/** As in an answer: the rest of a thoroughly wrong batch need not be read. */
const MAX_ERRORS = 50;

const Batch = Type.Array(NewJobBody, {
  $id: "Batch",
  minItems: 1,
  maxItems: MAX_JOBS,
  description: `Jobs, at most ${MAX_JOBS} and 16 MiB. As ${NDJSON_TYPE}: one a line.`,
  examples: [NewJobBody.examples],
});

/** Made by us, so any value will do for the check of answers: to look at each would cost as much as to look at the jobs. */
const MadeId = Type.Unsafe<string>(Type.Any({ type: "string", format: "uuid" }));

const CreatedBatch = answered(
  { job_ids: Type.Array(MadeId, { description: "In the order of the jobs." }) },
  { $id: "CreatedBatch", description: "All jobs are committed." },
);

export function batchRoutes({ db, inserter, kinds }: BatchParts) {
  const once = insertOnce({ db, inserter });
  const inTurn = oneAtATime();
  return new Elysia({ name: "batch", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ NewJob: NewJobBody, Batch, CreatedBatch, Problem: ProblemBody })
    .post(
      "/batch",
      async ({ request, set }) => {
        const principal = principalOf(request);
        const text = await readText(request, MAX_BATCH_BYTES, [JSON_TYPE, NDJSON_TYPE]);
        const sent = mediaType(request.headers) === NDJSON_TYPE ? lines(text) : elements(text);
        const read = () => readJobs(sent, kinds, principal);
        // In turns with each other, long ones would all be read before the first could be sent to the database.
        const jobs = await (sent.length > JOBS_AT_A_STRETCH ? inTurn(read) : read());
        const { jobIds, replayed } = await once({ request, text, principal, jobs: traced(jobs, request) });
        set.status = 201;
        if (replayed) set.headers["idempotency-replayed"] = "true";
        return { job_ids: jobIds };
      },
      {
        beforeHandle: needs("jobs:write"),
        parse: "none",
        body: "Batch",
        response: { 201: "CreatedBatch", ...problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 500, 503) },
        detail: {
          operationId: "createJobs",
          "x-body-type": NDJSON_TYPE,
          summary: "Create many jobs",
          description: "All or none. The pointers of an error begin with the place of the job, from 0.",
          parameters: [IDEMPOTENCY_HEADER, TRACEPARENT_HEADER],
        },
      },
    );
}

function elements(text: string): SentJob[] {
  const { texts, depth } = memberTexts(text, "payload");
  if (depth > MAX_DEPTH + ENVELOPES) refuseDeep(text);
  const value = parseShallow(text);
  if (!Array.isArray(value)) throw invalid([{ pointer: "", detail: "must be a list of jobs" }]);
  checkCount(value.length);
  return value.map((element, place) => ({ value: element, payload: texts[place] }));
}

/** Throws what is wrong with a text that nests too deeply. */
function refuseDeep(text: string): void {
  try {
    parseJson(text, ENVELOPES);
  } catch (error) {
    // One of the jobs nests too deeply, and by itself it says where.
    const deep = error instanceof Problem && error.kind === "invalid" && text.trimStart().startsWith("[");
    if (deep) elementTexts(text).forEach(parseOne);
    throw error;
  }
}

function lines(text: string): SentJob[] {
  const filled = text.split("\n").filter((line) => line.trim() !== "");
  checkCount(filled.length);
  return filled.map(parseOne);
}

function parseOne(text: string, place: number): SentJob {
  try {
    return sentJob(parseJson(text));
  } catch (error) {
    throw error instanceof Problem ? ofJob(place, error) : error;
  }
}

function checkCount(jobs: number) {
  if (jobs < 1 || jobs > MAX_JOBS) throw invalid([{ pointer: "", detail: `must be 1 to ${MAX_JOBS} jobs` }]);
}

async function readJobs(sent: readonly SentJob[], kinds: Kinds, principal: Principal): Promise<AskedJob[]> {
  const jobs: AskedJob[] = [];
  const faults: FieldError[] = [];
  for (let place = 0; place < sent.length; place++) {
    if (place > 0 && place % JOBS_AT_A_STRETCH === 0) await new Promise(setImmediate);
    try {
      const job = readNewJob(sent[place]!, kinds);
      for (const fault of boundFaults(principal, job.userId)) faults.push(inJob(place, fault));
      jobs.push(job);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const problem = ofJob(place, error);
      if (problem.kind !== "invalid") throw problem;
      faults.push(...(problem.parts.errors ?? []));
    }
    if (faults.length >= MAX_ERRORS) break;
  }
  if (faults.length > 0) throw invalid(faults);
  return jobs;
}

/** The same problem, seen from the whole batch. */
function ofJob(place: number, { kind, detail, parts }: Problem): Problem {
  const errors = (parts.errors ?? [{ pointer: "", detail }]).map((fault) => inJob(place, fault));
  return new Problem(kind, `job ${place}: ${detail}`, { ...parts, errors });
}

function inJob(place: number, fault: FieldError): FieldError {
  return { ...fault, pointer: pointer(place) + fault.pointer };
}
