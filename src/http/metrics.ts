import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { METRICS_TYPE } from "../observability/metrics.ts";
import { needs } from "./auth.ts";
import { unbound } from "./bound.ts";
import { ProblemBody, problems } from "./schemas.ts";

export interface MetricsRouteParts {
  metrics: { text(): Promise<string> };
}

const EXAMPLE = `# HELP jobsvc_queue_oldest_ready_seconds How long the oldest due job has waited; 0 when none is.
# TYPE jobsvc_queue_oldest_ready_seconds gauge
jobsvc_queue_oldest_ready_seconds{queue="default"} 0.25
`;

const MetricsText = Type.String({
  $id: "MetricsText",
  contentMediaType: "text/plain",
  description: "The text format of Prometheus, version 0.0.4.",
  examples: [EXAMPLE],
});

export function metricsRoutes({ metrics }: MetricsRouteParts) {
  return new Elysia({ name: "metrics", tags: ["health"], normalize: false })
    .model({ MetricsText, Problem: ProblemBody })
    .get(
      "/metrics",
      async () => new Response(await metrics.text(), { headers: { "content-type": METRICS_TYPE } }),
      {
        beforeHandle: [needs("jobs:read"), unbound],
        response: { 200: "MetricsText", ...problems(401, 403, 429, 500, 503) },
        detail: {
          operationId: "getMetrics",
          summary: "Numbers for Prometheus",
          description:
            "Counts and times of this process, and how many jobs wait and run in the whole service. Answers a key of the settings also while the database, which knows the other keys, is away.",
        },
      },
    );
}
