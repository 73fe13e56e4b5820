import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { Listeners } from "./listeners.ts";

/** From memory to a request that waited for its job for a minute. */
const BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.25, 1, 5, 30, 60];

/** A client may call its method as it likes. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Requests but for probes. A stream counts with the time until it began. */
export function httpMetrics(registry: Registry, openStreams: () => number): Listeners {
  const labelNames = ["method", "route", "status"] as const;
  const requests = new Counter({
    name: "jobsvc_http_requests_total",
    help: "Requests answered, by route and class of status.",
    labelNames,
    registers: [registry],
  });
  const duration = new Histogram({
    name: "jobsvc_http_request_seconds",
    help: "How long it took to answer a request.",
    labelNames,
    buckets: BUCKETS_S,
    registers: [registry],
  });
  new Gauge({
    name: "jobsvc_event_streams",
    help: "Streams of events that are open.",
    registers: [registry],
    collect() {
      this.set(openStreams());
    },
  });
  return {
    "http.request"({ method, route, status, ms }) {
      const labels = {
        method: METHODS.has(method) ? method : "other",
        route,
        status: `${Math.floor(status / 100)}xx`,
      };
      requests.inc(labels);
      duration.observe(labels, ms / 1_000);
    },
  };
}
