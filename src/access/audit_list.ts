import type { Database } from "../db/connect.ts";
import type { Action } from "./audit.ts";

export interface AuditFilter {
  jobId?: string | undefined;
  action?: Action | undefined;
}

export interface AuditRecord {
  id: number;
  at: Date;
  action: Action;
  jobId: string | null;
  keyId: string | null;
  /** Null where no key of the database was presented. */
  keyName: string | null;
  detail: Record<string, unknown>;
}

/** A page of what was done, the latest first. `before` is the last entry seen. */
export async function listAudit(
  db: Database,
  { jobId, action }: AuditFilter,
  { limit, before }: { limit: number; before?: number | undefined },
): Promise<AuditRecord[]> {
  return await db.run(
    (sql) => sql<AuditRecord[]>`
    select audit.id::float8 as id, audit.at, audit.action, audit.job_id as "jobId", audit.key_id as "keyId",
      api_keys.name as "keyName", audit.detail
    from jobsvc.audit
    left join jobsvc.api_keys on api_keys.id = audit.key_id
    where true
      ${before === undefined ? sql`` : sql`and audit.id < ${before}`}
      ${jobId === undefined ? sql`` : sql`and audit.job_id = ${jobId}`}
      ${action === undefined ? sql`` : sql`and audit.action = ${action}`}
    order by audit.id desc
    limit ${limit}`,
  );
}
