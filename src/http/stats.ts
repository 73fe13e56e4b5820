import { type Static, type TInteger, Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { Database } from "../db/connect.ts";
import { JOB_STATES, type JobState } from "../job/states.ts";
import { type Counts, readStats } from "../queue/stats.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import { answered, name, ProblemBody, problems } from "./schemas.ts";

const COUNTS = Object.fromEntries(JOB_STATES.map((state) => [state, Type.Integer()])) as Record<
  JobState,
  TInteger
>;

const Total = answered(COUNTS, {
  $id: "Counts",
  description: "Jobs by state; of ended ones those that are still kept.",
});

const Lane = answered(
  { queue: name("The queue."), resource_type: name("The kind of the jobs."), ...COUNTS },
  { $id: "LaneCounts", description: "Jobs of one kind in one queue, by state." },
);

const Stats = answered(
  { total: Total, by_kind: Type.Array(Lane) },
  { $id: "Stats", description: "How many jobs are where." },
);

export function statsRoutes({ db }: { db: Database }) {
  return new Elysia({ name: "stats", prefix: "/api/stats", tags: ["queues"], normalize: false })
    .model({ Stats, Problem: ProblemBody })
    .get("", async () => view(await readStats(db)), {
      beforeHandle: [needs("jobs:read"), unbound],
      response: { 200: "Stats", ...problems(401, 403, 429, 500, 503) },
      detail: {
        operationId: "readStats",
        summary: "Count jobs",
        description: "By state, queue and kind. Ended jobs are not counted but tallied, so this stays quick.",
      },
    });
}

function view(counts: readonly Counts[]): Static<typeof Stats> {
  const sum = (state: JobState) => counts.reduce((jobs, lane) => jobs + lane[state], 0);
  return {
    total: Object.fromEntries(JOB_STATES.map((state) => [state, sum(state)])) as Static<typeof Total>,
    by_kind: counts.map(({ kind, ...rest }) => ({ resource_type: kind, ...rest })),
  };
}
