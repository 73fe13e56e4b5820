import { type AnyElysia, Elysia } from "elysia";
import type { Access } from "../access/access.ts";
import type { Emit } from "../observability/events.ts";
import { type AgentParts, agentRoutes } from "./agents.ts";
import { auditRoutes } from "./audit.ts";
import { auth, refuseUnscoped } from "./auth.ts";
import { batchRoutes } from "./batch.ts";
import { bulkRoutes } from "./bulk.ts";
import { callbackAuth } from "./callback_auth.ts";
import { callbackRoutes } from "./callbacks.ts";
import { addresses } from "./credentials.ts";
import { errors } from "./errors.ts";
import { type EventParts, eventRoutes } from "./events.ts";
import { exchange } from "./exchange.ts";
import { type HealthParts, healthRoutes } from "./health.ts";
import type { HeldCallParts } from "./held_calls.ts";
import { jobActionRoutes } from "./job_actions.ts";
import { type JobParts, jobRoutes } from "./jobs.ts";
import { keyRoutes } from "./keys.ts";
import { leaseRoutes } from "./leases.ts";
import { listRoutes } from "./list.ts";
import { type MetricsRouteParts, metricsRoutes } from "./metrics.ts";
import { queueRoutes } from "./queues.ts";
import { routeTable } from "./route_table.ts";
import { statsRoutes } from "./stats.ts";
import { swaggerRoutes } from "./swagger.ts";
import { type TakeParts, takeRoutes } from "./take.ts";
import { workerRoutes } from "./workers.ts";

export interface AppParts
  extends JobParts,
    AgentParts,
    EventParts,
    TakeParts,
    HeldCallParts,
    HealthParts,
    MetricsRouteParts {
  emit: Emit;
  access: Access;
}

/** What a process without an API answers with. */
export interface ProbeParts extends HealthParts, MetricsRouteParts {
  emit: Emit;
  access: Access;
}

/** The whole service over HTTP, not yet listening: `app.handle(request)` answers. */
export function createApp(parts: AppParts) {
  let document: Promise<unknown> | undefined;
  const routes = resources(parts)
    .use(swaggerRoutes())
    .get("/openapi.json", () => (document ??= documentOf(parts)), { detail: { hide: true } });
  refuseUnscoped(routes.routes);
  return surrounded(routes, parts);
}

/**
 * Made, and its generator loaded, when somebody first asks for it: most processes are never asked, and it takes longer
 * than to make all the routes.
 */
async function documentOf(parts: AppParts) {
  const { openApi } = await import("./openapi.ts");
  return await openApi(resources(parts), parts.version, parts.kinds);
}

/** The probes and the metrics alone, for a process that only works. */
export function createProbeApp(parts: ProbeParts) {
  const routes = new Elysia({ normalize: false }).use(healthRoutes(parts)).use(metricsRoutes(parts));
  return surrounded(routes, parts);
}

function resources(parts: AppParts) {
  return new Elysia({ normalize: false })
    .use(healthRoutes(parts))
    .use(metricsRoutes(parts))
    .use(jobRoutes(parts))
    .use(jobActionRoutes(parts))
    .use(eventRoutes(parts))
    .use(listRoutes(parts))
    .use(batchRoutes(parts))
    .use(bulkRoutes(parts))
    .use(queueRoutes(parts))
    .use(workerRoutes(parts))
    .use(takeRoutes(parts))
    .use(leaseRoutes(parts))
    .use(statsRoutes(parts))
    .use(agentRoutes(parts))
    .use(callbackRoutes(parts))
    .use(keyRoutes(parts))
    .use(auditRoutes(parts));
}

/** Hooks come before the routes: Elysia gives a route only those that it already has. */
function surrounded(routes: AnyElysia, { emit, access }: Pick<AppParts, "emit" | "access">): AnyElysia {
  const table = routeTable(routes.routes);
  const app: AnyElysia = new Elysia({
    // Unknown fields are refused; Elysia would drop them in silence.
    normalize: false,
    // Else the router misreads the path behind a host of three letters.
    handler: { standardHostname: false },
  });
  const addressOf = addresses(() => app.server);
  return app
    .use(exchange(emit, table))
    .use(errors(emit, table))
    .use(auth(access, addressOf))
    .use(callbackAuth(access, addressOf))
    .use(routes);
}
