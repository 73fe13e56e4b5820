import { type Static, Type } from "@sinclair/typebox";
import { type Context, Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import type { RetryOf } from "../job/retry.ts";
import type { Emit } from "../observability/events.ts";
import { beatHeld } from "../queue/beat_held.ts";
import { endHeld, type HeldEnding } from "../queue/end_held.ts";
import type { HeldJob } from "../queue/held.ts";
import { type HeldLine, tellHeld } from "../queue/tell_held.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import type { EventStreams } from "./event_streams.ts";
import { findHeld, refusal, staleProblem } from "./held.ts";
import { LeaseEndBody, MAX_END_BYTES, readLeaseEnd } from "./lease_end.ts";
import { LeaseId } from "./lease_id.ts";
import {
  LeaseLogBody,
  LeaseOutputBody,
  LeaseProgressBody,
  MAX_LINE_BODY_BYTES,
  readLog,
  readOutput,
  readProgress,
} from "./lease_lines.ts";
import { notFound, Problem } from "./problem.ts";
import { type JsonBody, readJson } from "./request_body.ts";
import { answered, instant, nullable, ProblemBody, problems, uuid, word } from "./schemas.ts";

export interface LeaseParts {
  db: Database;
  emit: Emit;
  streams: EventStreams;
  retryOf: RetryOf;
  /** A queue has work again, at once. */
  onWork: (queues: Iterable<string>) => void;
}

const LeaseBeat = answered(
  {
    expires_at: instant("Until when the job may be silent from now on, by the clock of the database."),
    deadline_at: nullable(instant(), "When the attempt has to have ended."),
  },
  { $id: "LeaseBeat", description: "The sign of life was heard, and the job is still held." },
);

const LeaseEnded = answered(
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

const STALE =
  "Answers 409 with a `reason` once the job is not held any more: whatever is still done for it is in vain.";

/** What a call about a lease can be refused for. */
const refusals = problems(401, 403, 404, 409, 429, 500, 503);
const bodyRefusals = problems(400, 408, 413, 415, 422);

export function leaseRoutes({ db, emit, streams, retryOf, onWork }: LeaseParts) {
  async function held(request: Request, id: string): Promise<HeldJob> {
    const job = await findHeld(db, request, id);
    if (job.stale !== null) throw await staleProblem(db, job, job.stale);
    return job;
  }

  async function beat(request: Request, id: string): Promise<Static<typeof LeaseBeat>> {
    const job = await held(request, id);
    const expiresAt = await beatHeld(db, job);
    if (expiresAt === undefined) throw await refusal(db, job);
    return { expires_at: expiresAt.toISOString(), deadline_at: job.deadlineAt?.toISOString() ?? null };
  }

  const telling =
    (read: (body: JsonBody) => HeldLine) =>
    async ({
      params,
      request,
      set,
    }: Pick<Context<{ params: { id: string } }>, "params" | "request" | "set">) => {
      const line = read(await readJson(request, MAX_LINE_BODY_BYTES));
      const job = await held(request, params.id);
      const answer = await tellHeld(db, job, line);
      if (answer === "full") throw new Problem("too_large", "this attempt has told all that is kept of one");
      if (answer === "ended") throw await refusal(db, job);
      if (job.beatDue) await beatHeld(db, job);
      streams.wake();
      set.status = 204;
    };

  async function end(request: Request, id: string): Promise<Static<typeof LeaseEnded>> {
    const endAt = readLeaseEnd(await readJson(request, MAX_END_BYTES));
    const job = await findHeld(db, request, id);
    const fields = fieldsOf(job);
    const ending = endAt({
      ...job,
      retry: retryOf(job.kind),
      random: Math.random(),
      complain: (error) => emit("handler.retry_failed", { ...fields, error }),
    });
    const { outcome, retryAfterMs } = ending;
    const stale = job.stale ?? (await endHeld(db, job, ending));
    if (stale === undefined) throw notFound();
    if (stale !== null) {
      emit("job.ending_lost", { ...fields, outcome });
      throw await staleProblem(db, job, stale);
    }
    emit("job.reported", { ...fields, ...toldOf(job, ending) });
    if (retryAfterMs === 0) onWork([job.queue]);
    return {
      job_id: job.jobId,
      attempt: job.attempt,
      outcome: outcome as Static<typeof LeaseEnded>["outcome"],
      retry_in_ms: retryAfterMs && Math.round(retryAfterMs),
    };
  }

  return new Elysia({ name: "leases", prefix: "/api/leases", tags: ["workers"], normalize: false })
    .model({
      LeaseBeat,
      LeaseProgress: LeaseProgressBody,
      LeaseLog: LeaseLogBody,
      LeaseOutput: LeaseOutputBody,
      LeaseEnd: LeaseEndBody,
      LeaseEnded,
      Problem: ProblemBody,
    })
    .post("/:id/beat", ({ params, request }) => beat(request, params.id), {
      beforeHandle: [needs("jobs:work"), unbound],
      parse: "none",
      params: LeaseId,
      response: { 200: "LeaseBeat", ...refusals },
      detail: detail(
        "beatLease",
        "Give a sign of life",
        `For the job and for its worker, without a body. ${STALE}`,
      ),
    })
    .post("/:id/progress", telling(readProgress), {
      ...tell,
      body: "LeaseProgress",
      detail: detail("reportProgress", "Tell how far the job has come", STALE),
    })
    .post("/:id/log", telling(readLog), {
      ...tell,
      body: "LeaseLog",
      detail: detail("reportLog", "Tell a line for people", STALE),
    })
    .post("/:id/output", telling(readOutput), {
      ...tell,
      body: "LeaseOutput",
      detail: detail("reportOutput", "Tell a piece of output", STALE),
    })
    .post("/:id/end", ({ params, request }) => end(request, params.id), {
      beforeHandle: [needs("jobs:work"), unbound],
      parse: "none",
      params: LeaseId,
      body: "LeaseEnd",
      response: { 200: "LeaseEnded", ...bodyRefusals, ...refusals },
      detail: detail("endLease", "End the attempt", `An attempt ends once. ${STALE}`),
    });
}

const tell = {
  beforeHandle: [needs("jobs:work"), unbound],
  parse: "none" as const,
  params: LeaseId,
  response: {
    204: Type.Void({ description: "It is kept, and those who watch the job see it." }),
    ...bodyRefusals,
    ...refusals,
  },
};

function detail(operationId: string, summary: string, description: string) {
  return { operationId, summary, description, "x-conflict": "stale" as const };
}

function fieldsOf({ jobId, kind, queue, attempt, workerId }: HeldJob) {
  return { job_id: jobId, kind, queue, attempt, worker_id: workerId ?? "unknown" };
}

function toldOf({ ranMs }: HeldJob, { outcome, retryAfterMs, error }: HeldEnding) {
  return {
    outcome,
    ms: Math.round(ranMs),
    ...(retryAfterMs !== null && { retry_in_ms: Math.round(retryAfterMs) }),
    ...(error && { error: `${error.name}: ${error.message}` }),
  };
}
