import { Elysia, NotFoundError, ValidationError } from "elysia";
import { isUnavailable } from "../db/deadline.ts";
import type { Emit } from "../observability/events.ts";
import { internal, Problem, problemResponse } from "./problem.ts";
import type { RouteTable } from "./route_table.ts";

/** A restart of Postgres takes about a second. */
const RETRY_AFTER_S = 2;

/** The one place where an error becomes an answer. */
export function errors(emit: Emit, routes: RouteTable) {
  return new Elysia({ name: "errors" }).onError({ as: "global" }, ({ error, path, request, set }) => {
    const requestId = String(set.headers["x-request-id"]);
    const problem = problemOf(error) ?? routes.missing(request.method, path);
    if (problem.kind === "internal") emit("request.failed", { request_id: requestId, error });
    return problemResponse(problem, requestId);
  });
}

/** Undefined when the address leads nowhere. An id of the wrong form is one that no job has. */
function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  if (error instanceof NotFoundError) return undefined;
  if (error instanceof ValidationError && error.type === "params") return undefined;
  if (isUnavailable(error)) {
    const headers = { "retry-after": String(RETRY_AFTER_S) };
    return new Problem("unavailable", "the database cannot be reached", { headers });
  }
  return internal();
}
