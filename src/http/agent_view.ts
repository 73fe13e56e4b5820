import { type Static, Type } from "@sinclair/typebox";
import type { StoredAgent } from "../agents/stored.ts";
import type { AiAgentConfig, ClientAgentConfig } from "../job/agent.ts";
import * as field from "./agent_fields.ts";
import { answered, instant, nullable, uuid, word } from "./schemas.ts";

const { orNull } = field;

const OF_ALL = {
  resource_id: uuid("The `resource_id` of the jobs that use it."),
  name: field.NAME,
  user_id: nullable(uuid(), "The one user whose jobs may use it; null for everybody's."),
  has_secret: Type.Boolean({
    description: "Whether a secret is kept for it. The secret itself is never told.",
  }),
  created_at: instant(),
  updated_at: instant(),
};

const AiAgentView = answered(
  {
    resource_type: word(["ai_agent"]),
    ...OF_ALL,
    base_url: field.BASE_URL,
    model: field.MODEL,
    instructions: orNull(field.INSTRUCTIONS),
    temperature: orNull(field.TEMPERATURE),
    max_tokens: orNull(field.MAX_TOKENS),
    budget: orNull(field.BUDGET),
    price: orNull(field.PRICE),
    timeout_ms: orNull(field.TIMEOUT_MS),
  },
  { $id: "AiAgent", description: "A model behind an API like OpenAI's. What was not said is null." },
);

const ClientAgentView = answered(
  {
    resource_type: word(["client_agent"]),
    ...OF_ALL,
    url: field.URL_FIELD,
    previous_secret_until: nullable(
      instant(),
      "Until then the signing secret of before signs, too; null when none does.",
    ),
  },
  { $id: "ClientAgent", description: "A client that takes jobs in as webhooks." },
);

export const AgentView = Type.Union([AiAgentView, ClientAgentView], {
  $id: "Agent",
  description: "An agent, without its secrets.",
});

export const AgentPage = answered(
  {
    agents: Type.Array(AgentView, { description: "In the order of their ids." }),
    next_cursor: nullable(Type.String(), "For the next page; null on the last one."),
  },
  { $id: "AgentPage", description: "A page of agents." },
);

export function agentView(agent: StoredAgent): Static<typeof AgentView> {
  return agent.kind === "ai_agent"
    ? { resource_type: agent.kind, ...ofAll(agent), ...aiView(agent.config as AiAgentConfig) }
    : {
        resource_type: agent.kind,
        ...ofAll(agent),
        url: (agent.config as ClientAgentConfig).url,
        previous_secret_until: agent.previousSecretUntil?.toISOString() ?? null,
      };
}

function ofAll({ resourceId, name, userId, secret, createdAt, updatedAt }: StoredAgent) {
  return {
    resource_id: resourceId,
    name,
    user_id: userId,
    has_secret: secret !== null,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}

function aiView(config: AiAgentConfig) {
  return {
    base_url: config.baseUrl,
    model: config.model,
    instructions: config.instructions ?? null,
    temperature: config.temperature ?? null,
    max_tokens: config.maxTokens ?? null,
    budget: config.budget ?? null,
    price: config.price ?? null,
    timeout_ms: config.timeoutMs ?? null,
  };
}
