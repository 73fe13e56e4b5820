import type { Database } from "../db/connect.ts";
import type { AgentKind, AiAgentConfig, ClientAgentConfig } from "../job/agent.ts";
import { type NextSecret, nextSecret, type SecretFault } from "./next_secret.ts";
import type { Secrets } from "./secrets.ts";
import { readStored, type StoredAgent, stored } from "./stored.ts";

export interface NewAgent {
  resourceId: string;
  kind: AgentKind;
  userId: string | null;
  name: string;
  config: AiAgentConfig | ClientAgentConfig;
  /** Undefined: whichever is kept stays. Null: none. */
  secret: string | null | undefined;
}

export type PutAgent = { agent: StoredAgent; created: boolean } | SecretFault | "not_found";

/** For so long the old signing secret signs beside the one that replaced it. */
const PREVIOUS_SECRET_HOURS = 24;

/**
 * Makes the agent, or puts it in the place of the one that is there. `boundTo` is the only user whose agents the caller
 * may touch, null for all: an agent of another user is `not_found`, and stays as it is.
 */
export async function putAgent(
  db: Database,
  secrets: Secrets,
  wanted: NewAgent,
  boundTo: string | null,
): Promise<PutAgent> {
  const seen = await readStored(db, wanted.resourceId, null);
  if (seen && boundTo !== null && seen.userId !== boundTo) return "not_found";
  const next = nextSecret(seen, wanted, secrets);
  if (typeof next === "string") return next;
  const agent = seen ? await update(db, wanted, next, seen) : await insert(db, wanted, next);
  // Somebody else was here in between, or we ourselves on a connection that broke: what to do has to be seen anew.
  return agent ? { agent, created: !seen } : await putAgent(db, secrets, wanted, boundTo);
}

async function insert(db: Database, wanted: NewAgent, next: NextSecret): Promise<StoredAgent | undefined> {
  const [agent] = await db.run(
    (sql) => sql<StoredAgent[]>`
    insert into jobsvc.agents (resource_id, kind, user_id, name, config, secret)
    values (
      ${wanted.resourceId}, ${wanted.kind}, ${wanted.userId}, ${wanted.name},
      ${JSON.stringify(wanted.config)}::text::jsonb, ${next.secret}
    )
    on conflict do nothing
    returning ${stored(sql)}`,
  );
  return agent;
}

/** Changes nothing when the agent is no longer as it was seen, in what decides on its secret and on who may touch it. */
async function update(
  db: Database,
  wanted: NewAgent,
  { secret, previous }: NextSecret,
  seen: StoredAgent,
): Promise<StoredAgent | undefined> {
  const [agent] = await db.run(
    (sql) => sql<StoredAgent[]>`
    update jobsvc.agents set
      kind = ${wanted.kind}, user_id = ${wanted.userId}, name = ${wanted.name},
      config = ${JSON.stringify(wanted.config)}::text::jsonb, secret = ${secret},
      previous_secret = case ${previous}::text when 'kept' then previous_secret when 'replaced' then agents.secret end,
      previous_secret_until = case ${previous}::text
        when 'kept' then previous_secret_until
        when 'replaced' then now() + ${PREVIOUS_SECRET_HOURS} * interval '1 hour'
      end,
      updated_at = now()
    where resource_id = ${wanted.resourceId} and kind = ${seen.kind}
      and user_id is not distinct from ${seen.userId} and agents.secret is not distinct from ${seen.secret}
    returning ${stored(sql)}`,
  );
  return agent;
}
