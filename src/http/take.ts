import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type Context, Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import { DEFAULT_QUEUE } from "../job/job.ts";
import type { Emit } from "../observability/events.ts";
import { giveBack } from "../queue/give_back.ts";
import { isStillAllowed, needs, principalOf } from "./auth.ts";
import { unbound } from "./bound.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { Problem } from "./problem.ts";
import { readJson } from "./request_body.ts";
import { name, ProblemBody, problems, uuid } from "./schemas.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";
import { TakenView, takenJson } from "./taken_view.ts";
import type { TakeRequest, Takers } from "./takers.ts";
import { refuseOutside } from "./work_limits.ts";

export interface TakeParts {
  db: Database;
  emit: Emit;
  takers: Takers;
}

const MAX_QUEUES = 10;
const MAX_KINDS = 50;
const MAX_JOBS = 100;
const MAX_WAIT_S = 60;
/** With less, a worker would look dead at every hiccup of a network. */
const MIN_TTL_MS = 3_000;
const DEFAULT_TTL_MS = 30_000;
/** For a worker that gives no signs of life while it works, which is simple, and slow to be missed. */
const MAX_TTL_MS = 60 * 60_000;
const MAX_BODY_BYTES = 16 * 1024;
/** For the answer after a wait. */
const SILENCE_AFTER_WAIT_S = 30;

const TakeBody = Type.Object(
  {
    queues: Type.Optional(
      Type.Array(name("A queue."), {
        minItems: 1,
        maxItems: MAX_QUEUES,
        uniqueItems: true,
        description: `Where to look, the first one first. All that the key is limited to, or \`${DEFAULT_QUEUE}\`, when left out.`,
      }),
    ),
    kinds: Type.Array(name("A kind."), {
      minItems: 1,
      maxItems: MAX_KINDS,
      uniqueItems: true,
      description: "The kinds of jobs (`resource_type`) that the worker knows.",
    }),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: MAX_JOBS, default: 1, description: "At most so many jobs." }),
    ),
    wait: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: MAX_WAIT_S,
        default: 0,
        description: "Seconds to wait for a job when there is none.",
      }),
    ),
    worker: Type.Object(
      {
        id: Type.Optional(
          uuid("As an earlier take answered it, or made by the worker: a new one at every start."),
        ),
        name: Type.String({ minLength: 1, maxLength: 100, description: "For people: host and process." }),
      },
      { additionalProperties: false, description: "Who takes." },
    ),
    ttl_ms: Type.Optional(
      Type.Integer({
        minimum: MIN_TTL_MS,
        maximum: MAX_TTL_MS,
        default: DEFAULT_TTL_MS,
        description:
          "For how long the worker, and each job that it holds, may be silent before its jobs go to others.",
      }),
    ),
  },
  {
    $id: "Take",
    additionalProperties: false,
    description: "Which jobs are wished, and by whom.",
    examples: [{ queues: ["default"], kinds: ["video"], wait: 0, worker: { name: "host-2/815" } }],
  },
);

const TakeCheck = TypeCompiler.Compile(TakeBody);

const DESCRIPTION = [
  "For workers in any language. Each job comes under a lease, by which the worker gives signs of life for it, tells of it",
  "and ends it. A job whose lease is silent for `ttl_ms`, or that has not ended at its `deadline_at`, runs again elsewhere.",
  "With `wait` the answer may take so long; it is empty when there was nothing, or when others were quicker.",
].join(" ");

export function takeRoutes({ db, emit, takers }: TakeParts) {
  return new Elysia({ name: "take", prefix: "/api/take", tags: ["workers"], normalize: false })
    .model({ Take: TakeBody, Taken: TakenView, Problem: ProblemBody })
    .post("", ({ request, server }) => take({ request, server }), {
      beforeHandle: [needs("jobs:work"), unbound],
      parse: "none",
      body: "Take",
      response: { 200: "Taken", ...problems(400, 401, 403, 408, 413, 415, 422, 429, 500, 503) },
      detail: { operationId: "takeJobs", summary: "Take jobs", description: DESCRIPTION },
    });

  async function take({ request, server }: Pick<Context, "request" | "server">): Promise<Response> {
    const wished = await readTake(request);
    const { worker, waitMs } = wished;
    // Else a connection on which nothing happens would be closed in the middle of it.
    if (waitMs > 0) server?.timeout(request, waitMs / 1_000 + SILENCE_AFTER_WAIT_S);
    const jobs = await takers.take(wished);
    if (waitMs > 0 && jobs.length > 0 && !(await isStillAllowed(request, "jobs:work"))) {
      await giveBack(db, worker.id, jobs);
      throw new Problem("forbidden", "this API key was revoked meanwhile");
    }
    for (const { id, kind, queue, attempt, waitedMs } of jobs) {
      const fields = { job_id: id, kind, queue, attempt, worker_id: worker.id };
      emit("job.taken", { ...fields, waited_ms: Math.round(waitedMs) });
    }
    return new Response(takenJson(worker, jobs), { headers: { "content-type": "application/json" } });
  }
}

async function readTake(request: Request): Promise<TakeRequest> {
  const { value } = await readJson(request, MAX_BODY_BYTES);
  if (!TakeCheck.Check(value)) throw invalid(fieldErrors(TakeCheck.Errors(value)));
  const { kinds, limit = 1, wait = 0, worker, ttl_ms: ttlMs = DEFAULT_TTL_MS } = value;
  if (!isStorable(worker.name)) throw invalid([{ pointer: "/worker/name", detail: NOT_STORABLE }]);
  const principal = principalOf(request);
  const queues = value.queues ?? principal.takes.queues ?? [DEFAULT_QUEUE];
  refuseOutside(principal, queues, kinds);
  return {
    worker: { id: worker.id?.toLowerCase() ?? crypto.randomUUID(), name: worker.name, ttlMs },
    queues,
    kinds,
    limit,
    waitMs: wait * 1_000,
    gone: request.signal,
  };
}
