import type { AiAgentParts } from "../../src/handlers/ai_agent.ts";
import type { ClientAgentParts } from "../../src/handlers/client_agent.ts";
import type { AiAgent, AiAgentConfig, ClientAgent } from "../../src/job/agent.ts";
import { guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import type { FakeServer } from "./fake_server.ts";

/** What handlers of agents need, where no agent is registered; the calls of those that are may go to this server. */
export function agentParts(
  changes: Partial<AiAgentParts & ClientAgentParts> = {},
  server?: FakeServer,
): AiAgentParts & ClientAgentParts {
  return {
    findAgent: async () => undefined,
    unregistered: "simulate",
    durationMs: 0,
    fetch: guardedFetch({ http: true, ports: server ? [server.port] : [], allow: ["127.0.0.0/8"] }),
    usedBefore: async () => null,
    callbackToken: () => "jscb_of-a-test",
    callbackUrl: undefined,
    ...changes,
  };
}

const REGISTERED = { resourceId: "456e7890-e89b-12d3-a456-426614174001", name: "an agent", userId: null };

/** A model at this server. */
export function aiAgentAt(
  { url }: FakeServer,
  config: Partial<AiAgentConfig> = {},
  changes: Partial<AiAgent> = {},
): AiAgent {
  return {
    ...REGISTERED,
    kind: "ai_agent",
    config: { baseUrl: `${url}/v1`, model: "fake-1", ...config },
    apiKey: "sk-of-the-test",
    ...changes,
  };
}

/** A client's agent at this server. */
export function clientAgentAt({ url }: FakeServer, ...signingSecrets: string[]): ClientAgent {
  return { ...REGISTERED, kind: "client_agent", config: { url: `${url}/jobs` }, signingSecrets };
}
