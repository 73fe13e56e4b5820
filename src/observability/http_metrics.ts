import { Counter, Gauge, type Registry } from "prom-client";
import type { Listeners } from "./listeners.ts";
import { Spread, spreadMetric } from "./spread.ts";

/** From memory to a request that waited for its job for a minute. */
const BUCKETS_S = [0.001, 0.005, 0.025, 0.1, 0.25, 1, 5, 30, 60];

/** A client may call its method as it likes. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** Requests of one kind: plain numbers, because each request adds to them; the metrics are made of them at a scrape. */
interface Requests {
  labels: { method: string; route: string; status: string };
  seconds: Spread;
}

/** Requests but for probes. A stream counts with the time until it began. */
export function httpMetrics(registry: Registry, openStreams: () => number): Listeners {
  const known = new Map<string, Requests>();

  function requestsOf(sentMethod: string, route: string, code: number): Requests {
    const method = METHODS.has(sentMethod) ? sentMethod : "other";
    const status = `${Math.floor(code / 100)}xx`;
    const name = `${method} ${route} ${status}`;
    const requests = known.get(name) ?? { labels: { method, route, status }, seconds: new Spread(BUCKETS_S) };
    known.set(name, requests);
    return requests;
  }

  new Counter({
    name: "jobsvc_http_requests_total",
    help: "Requests answered, by route and class of status.",
    labelNames: ["method", "route", "status"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, seconds } of known.values()) this.inc(labels, seconds.count);
    },
  });
  spreadMetric(registry, {
    name: "jobsvc_http_request_seconds",
    help: "How long it took to answer a request.",
    read: () => Iterator.from(known.values()).map(({ labels, seconds }) => ({ labels, spread: seconds })),
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
    "http.request": ({ method, route, status, ms }) =>
      requestsOf(method, route, status).seconds.add(ms / 1_000),
  };
}
