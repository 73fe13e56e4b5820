import { type Static, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { recordAudit } from "../access/audit.ts";
import type { Database } from "../db/connect.ts";
import { pauseQueue, resumeQueue } from "../queue/pause.ts";
import { type QueueRecord, readQueues } from "../queue/queues.ts";
import { needs, principalOf } from "./auth.ts";
import { unbound } from "./bound.ts";
import { answered, instant, name, nullable, ProblemBody, problems } from "./schemas.ts";

const QueueView = answered(
  {
    name: name("The name of the queue."),
    paused_at: nullable(instant(), "Null while it is not paused."),
    available: Type.Integer({ description: "Jobs that are due." }),
    scheduled: Type.Integer({ description: "Jobs that wait for a later time." }),
    running: Type.Integer({ description: "Jobs that run." }),
    oldest_wait_ms: nullable(
      Type.Integer(),
      "How long the oldest due job has waited; null when none is due.",
    ),
    workers: Type.Integer({ description: "Living workers that take its jobs." }),
  },
  { $id: "Queue", description: "A queue, and what is in it." },
);

const QueueName = Type.Object({ name: name("The name of the queue.") });

const Queues = answered({ queues: Type.Array(QueueView) }, { $id: "Queues", description: "Every queue." });

export function queueRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "queues", prefix: "/api/queues", tags: ["queues"], normalize: false })
    .model({ Queue: QueueView, Queues, Problem: ProblemBody })
    .get("", async () => ({ queues: (await readQueues(db)).map(view) }), {
      beforeHandle: [needs("jobs:read"), unbound],
      response: { 200: "Queues", ...problems(401, 403, 429, 500, 503) },
      detail: {
        operationId: "listQueues",
        summary: "List queues",
        description: "Every queue that has jobs, workers, a pause or a past.",
      },
    })
    .post(
      "/:name/pause",
      async ({ params, request }) => {
        await pauseQueue(db, params.name);
        await recordAudit(db, {
          principal: principalOf(request),
          action: "queue.pause",
          detail: { queue: params.name },
        });
        return queueAnswer(db, params.name);
      },
      {
        beforeHandle: [needs("jobs:manage"), unbound],
        params: QueueName,
        response: { 200: "Queue", ...problems(401, 403, 404, 429, 500, 503) },
        detail: {
          operationId: "pauseQueue",
          summary: "Pause a queue",
          description: "No worker takes its jobs from now on. What runs goes on, and new jobs wait.",
        },
      },
    )
    .post(
      "/:name/resume",
      async ({ params, request }) => {
        await resumeQueue(db, params.name);
        await recordAudit(db, {
          principal: principalOf(request),
          action: "queue.resume",
          detail: { queue: params.name },
        });
        return queueAnswer(db, params.name);
      },
      {
        beforeHandle: [needs("jobs:manage"), unbound],
        params: QueueName,
        response: { 200: "Queue", ...problems(401, 403, 404, 429, 500, 503) },
        detail: {
          operationId: "resumeQueue",
          summary: "Resume a queue",
          description: "Its jobs are taken again, at once.",
        },
      },
    );
}

/** A queue of which nothing is known yet is an empty one: it comes to be when a job names it. */
async function queueAnswer(db: Database, name: string): Promise<Static<typeof QueueView>> {
  const queue = (await readQueues(db)).find((queue) => queue.name === name);
  const empty = {
    name,
    pausedAt: null,
    available: 0,
    scheduled: 0,
    running: 0,
    oldestWaitMs: null,
    workers: 0,
  };
  return view(queue ?? empty);
}

function view(queue: QueueRecord): Static<typeof QueueView> {
  return {
    name: queue.name,
    paused_at: queue.pausedAt?.toISOString() ?? null,
    available: queue.available,
    scheduled: queue.scheduled,
    running: queue.running,
    oldest_wait_ms: queue.oldestWaitMs === null ? null : Math.round(queue.oldestWaitMs),
    workers: queue.workers,
  };
}
