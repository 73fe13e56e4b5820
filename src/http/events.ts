import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { BEGINNING, type Place, placeOf } from "../job/event.ts";
import { isStillAllowed, needs, principalOf } from "./auth.ts";
import type { EventStreams } from "./event_streams.ts";
import { notFound } from "./problem.ts";
import { JobId, ProblemBody, problems } from "./schemas.ts";

export interface EventParts {
  streams: EventStreams;
}

const HEADERS = {
  "content-type": "text/event-stream",
  // Said once more here, because a proxy that keeps a stream back is the commonest way to break one.
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

const EXAMPLE = `retry: 2000

id: 1.0
event: state
data: {"attempt":1,"at":"2026-01-01T12:00:00.000Z","state":"running","status":"processing","outcome":null,"run_at":null}

id: 1.1
event: progress
data: {"attempt":1,"at":"2026-01-01T12:00:01.000Z","percent":50,"message":"half of it"}

id: 1.2
event: log
data: {"attempt":1,"at":"2026-01-01T12:00:01.500Z","message":"slow answer","fields":{"ms":420}}

id: 1.3
event: output
data: {"attempt":1,"at":"2026-01-01T12:00:02.000Z","chunk":"Hello"}

id: 1.2147483647
event: state
data: {"attempt":1,"at":"2026-01-01T12:00:02.100Z","state":"completed","status":"completed","outcome":"completed","run_at":null}

`;

const JobEvents = Type.String({
  $id: "JobEvents",
  contentMediaType: "text/event-stream",
  description: "Server-Sent Events; each has its data as one line of JSON.",
  examples: [EXAMPLE],
});

const LAST_EVENT_ID = {
  name: "Last-Event-ID",
  in: "header",
  description: "The id of the last event that was received, as it came. The stream goes on behind it.",
  schema: { type: "string" },
} as const;

const DESCRIPTION = [
  "Server-Sent Events: `state` when the job starts and when an attempt ends, and what the handler tells meanwhile as",
  "`progress`, `log` and `output`. Every event names its `attempt`; a retry is the next one. The stream ends with the",
  "job. It goes on behind `Last-Event-ID` at any process of the service, before the job starts and after it has ended,",
  "and answers 204 when there is nothing more to come.",
].join(" ");

export function eventRoutes({ streams }: EventParts) {
  return new Elysia({ name: "events", prefix: "/api/jobs", tags: ["jobs"], normalize: false })
    .model({ JobEvents, Problem: ProblemBody })
    .get(
      "/:id/events",
      async ({ params, request, server }) => {
        const { userId } = principalOf(request);
        const reader = { jobId: params.id, userId, ...placeIn(request) };
        const stream = await streams.open(reader, () => isStillAllowed(request, "jobs:read"));
        if (stream === undefined) throw notFound();
        if (stream === null) return new Response(null, { status: 204 });
        // Heartbeats say that a silent stream is alive; the server's own limit for silence is for others.
        server?.timeout(request, 0);
        if (request.method !== "HEAD") return new Response(stream, { headers: HEADERS });
        await stream.cancel();
        return new Response(null, { headers: HEADERS });
      },
      {
        beforeHandle: needs("jobs:read"),
        params: JobId,
        response: {
          200: "JobEvents",
          204: Type.Void({ description: "There is nothing more to come." }),
          ...problems(401, 403, 404, 429, 500, 503),
        },
        detail: {
          operationId: "watchJob",
          summary: "Watch a job",
          description: DESCRIPTION,
          parameters: [LAST_EVENT_ID],
        },
      },
    );
}

/** Where the client stopped reading. From the beginning for an id that is not ours: rather twice than never. */
function placeIn(request: Request): Place {
  return placeOf(request.headers.get("last-event-id") ?? "") ?? BEGINNING;
}
