import { Elysia } from "elysia";
import type { Emit } from "../observability/events.ts";
import { internal, Problem, problemResponse } from "./problem.ts";
import type { RouteTable } from "./route_table.ts";

/** What fits into a log line, a header and a URI without quoting. */
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._~-]{1,128}$/;
const MAX_LOGGED_PATH_CHARACTERS = 256;
/** Asked every few seconds by machines; a log of them would bury what happens. */
const PROBES = new Set(["/livez", "/readyz", "/api/health"]);

/** On every answer. A page that needs more replaces the policy by its own. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
};

/** What surrounds every request and its answer, whatever happens between them: the id, the headers, the event. */
export function exchange(emit: Emit, routes: RouteTable) {
  return new Elysia({ name: "exchange" })
    .wrap((handle) => async (request: Request) => {
      const startedAt = performance.now();
      const response = await answerTo(request, handle);
      report(request, response, performance.now() - startedAt);
      return response;
    })
    .onRequest(({ request, set }) => {
      Object.assign(set.headers, SECURITY_HEADERS);
      set.headers["x-request-id"] = requestId(request);
      if (request.headers.get("host")?.includes(",")) throw twoHosts();
    });

  /** Elysia trips over a handler that throws `undefined`; and its type for the function given to us is wrong. */
  async function answerTo(request: Request, handle: (request: Request) => unknown): Promise<Response> {
    try {
      return (await handle(request)) as Response;
    } catch (error) {
      const id = requestId(request);
      emit("request.failed", { request_id: id, error });
      return problemResponse(internal({ ...SECURITY_HEADERS, "x-request-id": id }), id);
    }
  }

  function report(request: Request, response: Response, ms: number) {
    const path = pathOf(request);
    if (PROBES.has(path)) return;
    emit("http.request", {
      method: request.method,
      path: path.slice(0, MAX_LOGGED_PATH_CHARACTERS),
      route: routes.routeOf(path) ?? "none",
      status: response.status,
      ms,
      request_id: response.headers.get("x-request-id") ?? "",
    });
  }
}

/** RFC 9112, 3.2: whoever stands between the client and us may have gone by the other one. */
function twoHosts(): Problem {
  return new Problem("malformed", "a request names one Host", { headers: { connection: "close" } });
}

function requestId(request: Request): string {
  const sent = request.headers.get("x-request-id");
  return sent !== null && REQUEST_ID_PATTERN.test(sent) ? sent : Bun.randomUUIDv7();
}

/** As the router sees it. Not by `URL`, which throws at some Host headers. */
export function pathOf({ url }: Request): string {
  return /^[a-z]+:\/\/[^/]*([^?]*)/.exec(url)?.[1] || "/";
}
