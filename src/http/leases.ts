import { type Static, Type } from "@sinclair/typebox";
import { type Context, Elysia } from "elysia";
import { beatHeld } from "../queue/beat_held.ts";
import type { HeldEnding } from "../queue/end_held.ts";
import type { HeldJob } from "../queue/held.ts";
import type { HeldLine } from "../queue/tell_held.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import { findHeld, refusal, staleProblem } from "./held.ts";
import { fieldsOf, type HeldCallParts, heldCalls } from "./held_calls.ts";
import { endedView, LeaseEnded } from "./held_ended.ts";
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
import { type JsonBody, readJson } from "./request_body.ts";
import { answered, instant, nullable, ProblemBody, problems } from "./schemas.ts";

const LeaseBeat = answered(
  {
    expires_at: instant("Until when the job may be silent from now on, by the clock of the database."),
    deadline_at: nullable(instant(), "When the attempt has to have ended."),
  },
  { $id: "LeaseBeat", description: "The sign of life was heard, and the job is still held." },
);

const STALE =
  "Answers 409 with a `reason` once the job is not held any more: whatever is still done for it is in vain.";

/** What a call about a lease can be refused for. */
const refusals = problems(401, 403, 404, 409, 429, 500, 503);
const bodyRefusals = problems(400, 408, 413, 415, 422);

export function leaseRoutes(parts: HeldCallParts) {
  const { db, emit } = parts;
  const calls = heldCalls(parts);

  async function beat(request: Request, id: string): Promise<Static<typeof LeaseBeat>> {
    const job = await findHeld(db, request, id);
    if (job.stale !== null) throw await staleProblem(db, job, job.stale);
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
      await calls.tell(await findHeld(db, request, params.id), line);
      set.status = 204;
    };

  async function end(request: Request, id: string) {
    const endAt = readLeaseEnd(await readJson(request, MAX_END_BYTES));
    const job = await findHeld(db, request, id);
    const ending = await calls.end(job, endAt);
    emit("job.reported", { ...fieldsOf(job), ...toldOf(job, ending) });
    return endedView(job, ending);
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

function toldOf({ ranMs }: HeldJob, { outcome, retryAfterMs, error }: HeldEnding) {
  return {
    outcome,
    ms: Math.round(ranMs),
    ...(retryAfterMs !== null && { retry_in_ms: Math.round(retryAfterMs) }),
    ...(error && { error: `${error.name}: ${error.message}` }),
  };
}
