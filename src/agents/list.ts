import type { Database } from "../db/connect.ts";
import type { AgentKind } from "../job/agent.ts";
import { type StoredAgent, stored } from "./stored.ts";

export interface AgentFilter {
  kind?: AgentKind | undefined;
  /** Null for the agents of all. */
  userId: string | null;
}

/** A page of agents, in the order of their ids. `after` is the last one seen. */
export async function listAgents(
  db: Database,
  { kind, userId }: AgentFilter,
  { limit, after }: { limit: number; after?: string | undefined },
): Promise<StoredAgent[]> {
  return await db.run(
    (sql) => sql<StoredAgent[]>`
    select ${stored(sql)} from jobsvc.agents
    where true
      ${after === undefined ? sql`` : sql`and resource_id > ${after}`}
      ${kind === undefined ? sql`` : sql`and kind = ${kind}`}
      ${userId === null ? sql`` : sql`and user_id = ${userId}`}
    order by resource_id
    limit ${limit}`,
  );
}
