import type { Database } from "../db/connect.ts";
import type { Agent, AiAgentConfig, ClientAgentConfig } from "./agent.ts";
import type { Secrets } from "./secrets.ts";
import { readStored } from "./stored.ts";

/**
 * An agent with its secrets in the clear, or undefined when none is registered under this id. Whether a job may use it
 * is for the caller to see: its kind and its user tell. Throws a `SecretError` when its secret cannot be read.
 */
export async function readAgent(
  db: Database,
  secrets: Secrets,
  resourceId: string,
): Promise<Agent | undefined> {
  const agent = await readStored(db, resourceId, null);
  if (agent === undefined) return undefined;
  const { kind, name, userId } = agent;
  const registered = { resourceId: agent.resourceId, name, userId };
  const inTheClear = [agent.secret, agent.previousSecret]
    .filter((secret) => secret !== null)
    .map((secret) => secrets.decrypt(secret, agent.resourceId));
  return kind === "ai_agent"
    ? { ...registered, kind, config: agent.config as AiAgentConfig, apiKey: inTheClear[0] ?? null }
    : { ...registered, kind, config: agent.config as ClientAgentConfig, signingSecrets: inTheClear };
}
