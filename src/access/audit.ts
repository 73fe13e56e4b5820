import type { Database } from "../db/connect.ts";
import type { Principal } from "./principal.ts";

/** What can be managed, and so leaves a trace. The first word is what was touched. */
export const ACTIONS = [
  "job.cancel",
  "job.retry",
  "job.change",
  "job.delete",
  "jobs.cancel",
  "jobs.retry",
  "jobs.delete",
  "queue.pause",
  "queue.resume",
  "key.create",
  "key.revoke",
  "agent.put",
  "agent.delete",
  "agents.rotate",
] as const;

export type Action = (typeof ACTIONS)[number];

export interface AuditedAction {
  principal: Principal;
  action: Action;
  jobId?: string;
  /** What the action was about, where it is no single job: a queue, a filter and how many it hit. Never a secret. */
  detail?: Record<string, unknown>;
}

/** Writes down who did what. To be called once it is done, and before it is answered. */
export async function recordAudit(
  db: Database,
  { principal, action, jobId, detail = {} }: AuditedAction,
): Promise<void> {
  // A key of the settings has no row to point to, so its owner's name is all there is.
  const told = JSON.stringify(principal.keyId === null ? { ...detail, by: principal.owner } : detail);
  await db.run(
    (sql) => sql`
    insert into jobsvc.audit (key_id, action, job_id, detail)
    values (${principal.keyId}, ${action}, ${jobId ?? null}, ${told}::text::jsonb)`,
  );
}
