import { Type } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { type Action, recordAudit } from "../access/audit.ts";
import type { Principal } from "../access/principal.ts";
import { deleteAgent } from "../agents/delete.ts";
import { listAgents } from "../agents/list.ts";
import type { SecretFault } from "../agents/next_secret.ts";
import { putAgent } from "../agents/put.ts";
import type { Secrets } from "../agents/secrets.ts";
import { readStored, type StoredAgent } from "../agents/stored.ts";
import type { Database } from "../db/connect.ts";
import { AGENT_KINDS, type AgentKind } from "../job/agent.ts";
import { AgentPage, AgentView, agentView } from "./agent_view.ts";
import { needs, principalOf } from "./auth.ts";
import { cursorOf, placeOf } from "./cursor.ts";
import { invalid } from "./field_errors.ts";
import { NewAgentBody } from "./new_agent.ts";
import { DEFAULT_LIMIT, PAGE_QUERY } from "./page_query.ts";
import { type FieldError, notFound } from "./problem.ts";
import { queryParameters, readQuery } from "./query.ts";
import { type CheckUrl, readNewAgent } from "./read_new_agent.ts";
import { readJson } from "./request_body.ts";
import { ProblemBody, problems, UUID_PATTERN, uuid, word } from "./schemas.ts";

export interface AgentParts {
  db: Database;
  secrets: Secrets;
  checkUrl: CheckUrl;
}

/** Instructions, and a few small fields. */
const MAX_AGENT_BYTES = 256 * 1024;

const AgentId = Type.Object({ resource_id: uuid("The `resource_id` of the jobs that use the agent.") });

const AgentsQuery = Type.Object(
  { resource_type: Type.Optional(word(AGENT_KINDS, "Agents of this kind.")), ...PAGE_QUERY },
  { additionalProperties: false },
);
const PLACE = new RegExp(UUID_PATTERN);

export function agentRoutes({ db, secrets, checkUrl }: AgentParts) {
  return new Elysia({ name: "agents", prefix: "/api/agents", tags: ["agents"], normalize: false })
    .model({ NewAgent: NewAgentBody, Agent: AgentView, AgentPage, Problem: ProblemBody })
    .put(
      "/:resource_id",
      async ({ params, request, set }) => {
        const principal = principalOf(request);
        const body = await readJson(request, MAX_AGENT_BYTES);
        const asked = { resourceId: params.resource_id, principal, checkUrl };
        const wanted = await readNewAgent(body, asked);
        const put = await putAgent(db, secrets, wanted, principal.userId);
        if (put === "not_found") throw notFound();
        if (typeof put === "string") throw invalid([SECRET_FAULTS[put](wanted.kind)]);
        await audit(db, principal, "agent.put", put.agent);
        set.status = put.created ? 201 : 200;
        return agentView(put.agent);
      },
      {
        beforeHandle: needs("agents:manage"),
        parse: "none",
        params: AgentId,
        body: "NewAgent",
        response: {
          200: "Agent",
          201: "Agent",
          ...problems(400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503),
        },
        detail: {
          operationId: "putAgent",
          summary: "Register an agent, or replace it",
          description:
            "What is left out is gone, but for the secret: that stays until another one is sent. Jobs that begin from now " +
            "on use the agent as it is now.",
        },
      },
    )
    .get(
      "/:resource_id",
      async ({ params, request }) => {
        const agent = await readStored(db, params.resource_id, principalOf(request).userId);
        if (!agent) throw notFound();
        return agentView(agent);
      },
      {
        beforeHandle: needs("agents:manage"),
        params: AgentId,
        response: { 200: "Agent", ...problems(401, 403, 404, 429, 500, 503) },
        detail: {
          operationId: "getAgent",
          summary: "Read an agent",
          description: "All but its secrets.",
        },
      },
    )
    .get(
      "",
      async ({ request }) => {
        const { limit = DEFAULT_LIMIT, cursor, resource_type: kind } = readQuery(request, AgentsQuery);
        const after = cursor === undefined ? undefined : placeOf(cursor, PLACE);
        const { userId } = principalOf(request);
        const found = await listAgents(db, { kind, userId }, { limit: limit + 1, after });
        const page = found.slice(0, limit);
        return {
          agents: page.map(agentView),
          next_cursor: found.length > limit ? cursorOf(page.at(-1)!.resourceId) : null,
        };
      },
      {
        beforeHandle: needs("agents:manage"),
        response: { 200: "AgentPage", ...problems(401, 403, 422, 429, 500, 503) },
        detail: {
          operationId: "listAgents",
          summary: "List agents",
          description:
            "In the order of their ids, page by page. A key that is bound to a user sees that user's.",
          parameters: queryParameters(AgentsQuery),
        },
      },
    )
    .delete(
      "/:resource_id",
      async ({ params, request, set }) => {
        const principal = principalOf(request);
        const deleted = await deleteAgent(db, params.resource_id, principal.userId);
        if (!deleted) throw notFound();
        await audit(db, principal, "agent.delete", deleted);
        set.status = 204;
      },
      {
        beforeHandle: needs("agents:manage"),
        params: AgentId,
        response: {
          204: Type.Void({ description: "It is gone, and its secret with it." }),
          ...problems(401, 403, 404, 429, 500, 503),
        },
        detail: {
          operationId: "deleteAgent",
          summary: "Delete an agent",
          description: "Its jobs stay, and are run as those of an agent that was never registered.",
        },
      },
    );
}

/** Why a secret cannot be kept, or would have had to be sent. */
const SECRET_FAULTS: Record<SecretFault, (kind: AgentKind) => FieldError> = {
  signing_secret_missing: () => ({
    pointer: "/signing_secret",
    detail: "is required: none is kept for this agent",
  }),
  api_key_for_elsewhere: () => ({
    pointer: "/api_key",
    detail: "must be sent again, or be null, when scheme, host or port of base_url change",
  }),
  no_secrets_key: (kind) => ({
    pointer: kind === "ai_agent" ? "/api_key" : "/signing_secret",
    detail:
      "cannot be kept: this service has no key to encrypt it with (setting secrets-keys, JOBSVC_SECRETS_KEYS)",
  }),
};

function audit(db: Database, principal: Principal, action: Action, agent: StoredAgent) {
  const { resourceId, kind, name } = agent;
  return recordAudit(db, {
    principal,
    action,
    detail: { resource_id: resourceId, resource_type: kind, name },
  });
}
