import type { Database } from "../db/connect.ts";
import { type StoredAgent, stored } from "./stored.ts";

/** Answers what was deleted; undefined when nothing is there for this user. `userId` is null for all. */
export async function deleteAgent(
  db: Database,
  resourceId: string,
  userId: string | null,
): Promise<StoredAgent | undefined> {
  const [agent] = await db.run(
    (sql) => sql<StoredAgent[]>`
    delete from jobsvc.agents
    where resource_id = ${resourceId} and (${userId}::uuid is null or user_id = ${userId})
    returning ${stored(sql)}`,
  );
  return agent;
}
