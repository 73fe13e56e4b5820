import type { Usage } from "../job/usage.ts";
import { type AgentParts, agentOf } from "./agent_job.ts";
import { allowedTokens } from "./chat/budget.ts";
import { bytesOf, tokensIn } from "./chat/meter.ts";
import { CHAT_MEMBERS, messagesOf } from "./chat/prompt.ts";
import { defineJob } from "./define.ts";
import { anyJson, simulated } from "./simulated.ts";

export interface AiAgentParts extends AgentParts {
  /** What earlier attempts of a job have used up. */
  usedBefore: (jobId: string) => Promise<Usage | null>;
}

/** Has a task done by a model behind an API like OpenAI's; simulated where the agent is not registered. */
export function aiAgent(parts: AiAgentParts) {
  const simulation = simulated("ai_agent", parts.durationMs);
  return defineJob({
    kind: "ai_agent",
    payload: anyJson(CHAT_MEMBERS),
    async run(payload, context) {
      const { job } = context;
      const agent = await agentOf("ai_agent", job, parts);
      if (agent === undefined) return await simulation.run(payload, context);
      const { config } = agent;
      const messages = messagesOf(payload, job.payloadText, config.instructions);
      const inputBytes = bytesOf(messages);
      const used = config.budget ? await parts.usedBefore(job.id) : null;
      const maxTokens = allowedTokens(config, used, tokensIn(inputBytes));
      // The client library is large, and most processes never call a model.
      const { complete } = await import("./chat/completion.ts");
      return await complete({ agent, messages, inputBytes, maxTokens, fetch: parts.fetch, context });
    },
  });
}
