import type { CallbackTokens } from "./access/callback_tokens.ts";
import type { FindAgent } from "./agents/find.ts";
import type { Settings } from "./config/settings.ts";
import { aiAgent } from "./handlers/ai_agent.ts";
import { clientAgent } from "./handlers/client_agent.ts";
import type { JobDefinition } from "./handlers/define.ts";
import type { Usage } from "./job/usage.ts";
import type { GuardedFetch } from "./outbound/guarded_fetch.ts";
import type { OutboundRules } from "./outbound/rules.ts";

export interface AgentKindsParts {
  settings: Settings;
  findAgent: FindAgent;
  usedBefore: (jobId: string) => Promise<Usage | null>;
  fetch: GuardedFetch;
  tokens: CallbackTokens;
}

/** The kinds that are built in: jobs for agents, which somebody has registered or which are simulated. */
export function agentKinds({ settings, usedBefore, tokens, ...calls }: AgentKindsParts): JobDefinition[] {
  const parts = { ...calls, unregistered: settings.unregisteredAgents };
  return [
    aiAgent({ ...parts, durationMs: settings.aiAgentSimulationMs, usedBefore }),
    clientAgent({
      ...parts,
      durationMs: settings.clientAgentSimulationMs,
      callbackToken: ({ id, leaseId }, attempt) => tokens.make({ jobId: id, leaseId, attempt }),
      callbackUrl: settings.publicUrl && `${settings.publicUrl.replace(/\/$/, "")}/api/callbacks`,
    }),
  ];
}

/** Where agents may be, as the settings say. */
export function outboundRules({ outboundHttp, outboundPorts, outboundAllow }: Settings): OutboundRules {
  return { http: outboundHttp, ports: outboundPorts, allow: outboundAllow };
}
