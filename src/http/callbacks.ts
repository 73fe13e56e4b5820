import { Type } from "@sinclair/typebox";
import { type Context, Elysia } from "elysia";
import { announceEnded } from "../queue/announce.ts";
import { type HeldJob, readHeld } from "../queue/held.ts";
import type { HeldLine } from "../queue/tell_held.ts";
import { byToken, CALLBACKS_PATH, heldBy } from "./callback_auth.ts";
import { type HeldCallParts, heldCalls } from "./held_calls.ts";
import { endedView, LeaseEnded } from "./held_ended.ts";
import { CallbackEndBody, MAX_END_BYTES, readCallbackEnd } from "./lease_end.ts";
import {
  LeaseLogBody,
  LeaseOutputBody,
  LeaseProgressBody,
  MAX_LINE_BODY_BYTES,
  readLog,
  readOutput,
  readProgress,
} from "./lease_lines.ts";
import { notFound } from "./problem.ts";
import { type JsonBody, readJson } from "./request_body.ts";
import { ProblemBody, problems } from "./schemas.ts";

const BY_TOKEN =
  "With the token that came with the call. Answers 409 with a `reason` once the attempt is over: whatever is still " +
  "done for it is in vain.";

const refusals = problems(400, 401, 404, 408, 409, 413, 415, 422, 429, 500, 503);

/** What a client does that was handed a job and said that it would call back; any process of the service hears it. */
export function callbackRoutes(parts: HeldCallParts) {
  const { db, emit } = parts;
  const calls = heldCalls(parts);

  async function heldJob(request: Request): Promise<HeldJob> {
    const job = await readHeld(db, heldBy(request));
    if (job === undefined) throw notFound();
    return job;
  }

  const telling =
    (read: (body: JsonBody) => HeldLine) =>
    async ({ request, set }: Pick<Context, "request" | "set">) => {
      const line = read(await readJson(request, MAX_LINE_BODY_BYTES));
      await calls.tell(await heldJob(request), line);
      set.status = 204;
    };

  async function end(request: Request) {
    const endAt = readCallbackEnd(await readJson(request, MAX_END_BYTES));
    const job = await heldJob(request);
    const ending = await calls.end(job, endAt);
    // The process that waits for this tells log and metrics of it.
    announceEnded(db, { ...job, outcome: ending.outcome }).catch((error) =>
      emit("step.failed", { step: "announce", error }),
    );
    return endedView(job, ending);
  }

  return new Elysia({ name: "callbacks", prefix: CALLBACKS_PATH, tags: ["agents"], normalize: false })
    .model({
      LeaseProgress: LeaseProgressBody,
      LeaseLog: LeaseLogBody,
      LeaseOutput: LeaseOutputBody,
      CallbackEnd: CallbackEndBody,
      LeaseEnded,
      Problem: ProblemBody,
    })
    .post("/progress", telling(readProgress), {
      ...tell,
      body: "LeaseProgress",
      detail: detail("callBackProgress", "Call back: how far the job has come"),
    })
    .post("/log", telling(readLog), {
      ...tell,
      body: "LeaseLog",
      detail: detail("callBackLog", "Call back: a line for people"),
    })
    .post("/output", telling(readOutput), {
      ...tell,
      body: "LeaseOutput",
      detail: detail("callBackOutput", "Call back: a piece of output"),
    })
    .post("/end", ({ request }) => end(request), {
      beforeHandle: byToken,
      parse: "none",
      body: "CallbackEnd",
      response: { 200: "LeaseEnded", ...refusals },
      detail: detail("callBackEnd", "Call back: how the attempt has ended"),
    });
}

const tell = {
  beforeHandle: byToken,
  parse: "none" as const,
  response: {
    204: Type.Void({ description: "It is kept, and those who watch the job see it." }),
    ...refusals,
  },
};

function detail(operationId: string, summary: string) {
  return { operationId, summary, description: BY_TOKEN, "x-conflict": "stale" as const };
}
