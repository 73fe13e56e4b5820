import { type Static, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import { readWorkers, type WorkerRecord } from "../queue/workers.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import { answered, instant, nullable, ProblemBody, problems, uuid } from "./schemas.ts";

const WorkerView = answered(
  {
    worker_id: uuid("Made anew at every start."),
    name: Type.String({ description: "Host and process; what a worker over HTTP calls itself." }),
    role: Type.String({ description: "What the process runs; `pull` for a worker over HTTP." }),
    version: Type.String({ description: "Of the process; empty for a worker over HTTP." }),
    queues: Type.Array(Type.String(), { description: "Queues from which it takes jobs." }),
    kinds: Type.Array(Type.String(), { description: "Kinds of jobs that it knows." }),
    slots: Type.Integer({
      description: "Jobs that it runs at once; over HTTP those that it held and asked for at its last take.",
    }),
    running: Type.Integer({ description: "Jobs that it holds now." }),
    started_at: instant(),
    draining_at: nullable(instant(), "Since when it takes no more jobs; null while it does."),
  },
  { $id: "Worker", description: "Somebody who runs jobs." },
);

const Workers = answered(
  { workers: Type.Array(WorkerView) },
  { $id: "Workers", description: "The living workers." },
);

export function workerRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "workers", prefix: "/api/workers", tags: ["workers"], normalize: false })
    .model({ Workers, Problem: ProblemBody })
    .get("", async () => ({ workers: (await readWorkers(db)).map(view) }), {
      beforeHandle: [needs("jobs:read"), unbound],
      response: { 200: "Workers", ...problems(401, 403, 429, 500, 503) },
      detail: {
        operationId: "listWorkers",
        summary: "List workers",
        description: "Those that are alive: they have told so within their time to live.",
      },
    });
}

function view(worker: WorkerRecord): Static<typeof WorkerView> {
  return {
    worker_id: worker.id,
    name: worker.name,
    role: worker.role,
    version: worker.version,
    queues: worker.queues,
    kinds: worker.kinds,
    slots: worker.slots,
    running: worker.running,
    started_at: worker.startedAt.toISOString(),
    draining_at: worker.drainingAt?.toISOString() ?? null,
  };
}
