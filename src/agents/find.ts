import type { Database } from "../db/connect.ts";
import { grouped } from "../db/grouped.ts";
import { patiently } from "../db/patient.ts";
import type { Agent, AiAgentConfig, ClientAgentConfig } from "../job/agent.ts";
import type { Secrets } from "./secrets.ts";
import { type StoredAgent, stored } from "./stored.ts";

export type FindAgent = (resourceId: string) => Promise<Agent | undefined>;

/**
 * Finds agents with their secrets in the clear; undefined when none is registered under the id. Whether a job may use
 * it is for the caller to see: its kind and its user tell. Throws a `SecretError` when its secret cannot be read.
 *
 * Jobs that start together share a statement, for a simulated job must not cost one of its own. While the database is
 * away they wait for it.
 */
export function agentFinder(db: Database, secrets: Secrets): FindAgent {
  const ask = grouped((resourceIds: readonly string[]) => read(db, resourceIds));

  return async (resourceId) => {
    const found = (await patiently(() => ask(resourceId))).find((agent) => agent.resourceId === resourceId);
    return found && inTheClear(found, secrets);
  };
}

async function read(db: Database, resourceIds: readonly string[]): Promise<StoredAgent[]> {
  return await db.run(
    (sql) => sql<StoredAgent[]>`
    select ${stored(sql)} from jobsvc.agents where resource_id = any (${[...resourceIds]}::uuid[])`,
  );
}

function inTheClear(agent: StoredAgent, secrets: Secrets): Agent {
  const { resourceId, kind, name, userId } = agent;
  const registered = { resourceId, name, userId };
  const clear = [agent.secret, agent.previousSecret]
    .filter((secret) => secret !== null)
    .map((secret) => secrets.decrypt(secret, resourceId));
  return kind === "ai_agent"
    ? { ...registered, kind, config: agent.config as AiAgentConfig, apiKey: clear[0] ?? null }
    : { ...registered, kind, config: agent.config as ClientAgentConfig, signingSecrets: clear };
}
