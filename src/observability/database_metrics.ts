import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** From a row found in memory to the longest that is waited for. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 5];

/** What became of a statement: answered, refused or broken off, or not answered in time, which replaces the pool. */
export type StatementFate = "ok" | "failed" | "no_answer";

export interface StatementMetrics {
  begun(): void;
  done(fate: StatementFate, ms: number): void;
}

/** How the pool of connections and the database behind it fare, as seen from here. */
export function databaseMetrics(registry: Registry, connections: number): StatementMetrics {
  const registers = [registry];
  new Gauge({
    name: "jobsvc_database_connections",
    help: "How many connections the pool has at most.",
    registers,
  }).set(connections);
  const inFlight = new Gauge({
    name: "jobsvc_database_statements_in_flight",
    help: "Statements that were sent, or wait for a connection, and are not answered yet.",
    registers,
  });
  const statements = new Counter({
    name: "jobsvc_database_statements_total",
    help: "Statements that were answered (ok), that failed for good (failed), or that got no answer in time (no_answer).",
    labelNames: ["fate"],
    registers,
  });
  const duration = new Histogram({
    name: "jobsvc_database_statement_seconds",
    help: "How long a statement took, tries after a broken connection included.",
    buckets: BUCKETS_S,
    registers,
  });
  for (const fate of ["ok", "failed", "no_answer"]) statements.inc({ fate }, 0);
  return {
    begun: () => inFlight.inc(),
    done(fate, ms) {
      inFlight.dec();
      statements.inc({ fate });
      duration.observe(ms / 1_000);
    },
  };
}
