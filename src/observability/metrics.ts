import { Registry } from "prom-client";
import { databaseMetrics, type StatementMetrics } from "./database_metrics.ts";
import type { Emit } from "./events.ts";
import { httpMetrics } from "./http_metrics.ts";
import { jobMetrics, type Works } from "./job_metrics.ts";
import { emitTo } from "./listeners.ts";
import { processMetrics } from "./process_metrics.ts";
import { type QueueState, queueMetrics } from "./queue_metrics.ts";
import { troubleMetrics } from "./trouble_metrics.ts";

export interface MetricsParts {
  version: string;
  role: string;
  works: Works;
  /** Of the pool to the database. */
  connections: number;
  /** How many clients watch jobs here. */
  openStreams: () => number;
  readQueues: () => Promise<readonly QueueState[]>;
}

export interface Metrics {
  /** Counts what is told. */
  emit: Emit;
  statements: StatementMetrics;
  /** Everything, in the text format of Prometheus. */
  text(): Promise<string>;
}

/** The type of the text format, as scrapers want to hear it. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/**
 * All numbers about this process and its view of the service. Not in the library's global registry, so that two
 * services in one process, as in tests, do not add up.
 */
export function createMetrics(parts: MetricsParts): Metrics {
  const registry = new Registry();
  processMetrics(registry, parts);
  const emit = emitTo([
    jobMetrics(registry, parts.works),
    troubleMetrics(registry),
    httpMetrics(registry, parts.openStreams),
  ]);
  const statements = databaseMetrics(registry, parts.connections);
  const lookAtQueues = queueMetrics(registry, parts.readQueues);
  return {
    emit,
    statements,
    async text() {
      await lookAtQueues();
      return await registry.metrics();
    },
  };
}
