import type { Database, Sql } from "../db/connect.ts";
import type { AgentKind, AiAgentConfig, ClientAgentConfig } from "../job/agent.ts";

/** An agent as it lies in the database, its secrets encrypted. */
export interface StoredAgent {
  resourceId: string;
  kind: AgentKind;
  userId: string | null;
  name: string;
  config: AiAgentConfig | ClientAgentConfig;
  secret: string | null;
  /** The signing secret of before; null once its time is over. */
  previousSecret: string | null;
  previousSecretUntil: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** The columns of a row, in the words of `StoredAgent`. What is over is not there any more, whoever asks. */
export const stored = (sql: Sql) => sql`
  resource_id as "resourceId", kind, user_id as "userId", name, config, secret,
  case when previous_secret_until > now() then previous_secret end as "previousSecret",
  case when previous_secret_until > now() then previous_secret_until end as "previousSecretUntil",
  created_at as "createdAt", updated_at as "updatedAt"`;

/** Undefined when there is none under this id, or it is not there for this user. `userId` is null for all. */
export async function readStored(
  db: Database,
  resourceId: string,
  userId: string | null,
): Promise<StoredAgent | undefined> {
  const [agent] = await db.run(
    (sql) => sql<StoredAgent[]>`
    select ${stored(sql)} from jobsvc.agents
    where resource_id = ${resourceId} and (${userId}::uuid is null or user_id = ${userId})`,
  );
  return agent;
}
