import type { AnyElysia } from "elysia";
import type { Service } from "../lifecycle/service.ts";
import { type AppParts, createApp, createProbeApp, type ProbeParts } from "./app.ts";

interface Address {
  host: string;
  /** 0 for one that is free. */
  port: number;
}

export type HttpParts = AppParts & Address;

export interface HttpServer extends Service {
  /** Where it listens; undefined before it was started. */
  readonly url: URL | undefined;
}

/** The API, its documentation and the probes. */
export function httpServer(parts: HttpParts): HttpServer {
  return listening("http", () => createApp(parts), parts);
}

/** The probes alone, for a process that only works. */
export function probeServer(parts: ProbeParts & Address): HttpServer {
  return listening("probes", () => createProbeApp(parts), parts);
}

/** A silent connection is closed after this time. Longer than the longest wait for the database. */
const IDLE_TIMEOUT_S = 30;

/** Each route has a limit of its own and answers 413 in our words; this one only stands behind a route that forgot. */
const MAX_BODY_BYTES = 1024 ** 3;

function listening(name: string, create: () => AnyElysia, { host, port }: Address): HttpServer {
  let server: Bun.Server<undefined> | undefined;

  return {
    name,
    get url() {
      return server?.url;
    },
    async start() {
      const app = create();
      // Not by `app.listen`, which answers some routes without the hooks of the app.
      server = Bun.serve({
        hostname: host,
        port,
        idleTimeout: IDLE_TIMEOUT_S,
        maxRequestBodySize: MAX_BODY_BYTES,
        development: false,
        // Outside of development Bun shares a port that is taken, and each process would get some of the requests.
        reusePort: false,
        fetch: (request) => app.fetch(withHost(request)),
      });
      app.server = server;
    },
    /** Takes no more connections, closes the idle ones, and lets the requests that are being answered finish. */
    async stop() {
      await server?.stop();
    },
  };
}

/** HTTP/1.0 needs no Host, and some load balancers send none; but the router looks for the path behind one. */
function withHost(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}
