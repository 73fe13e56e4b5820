import type { Database, Sql } from "../db/connect.ts";

/** A request that its sender may repeat: one owner's key, and a hash of what was asked with it. */
export interface Claim {
  owner: string;
  key: string;
  requestHash: string;
}

/** What the request that made the claim first has asked for, and the jobs that it got. */
export interface ClaimRecord {
  requestHash: string;
  jobIds: string[];
}

/** Answers within `deadlineMs`, or throws. */
export async function readClaim(
  db: Database,
  { owner, key }: Pick<Claim, "owner" | "key">,
  deadlineMs?: number,
): Promise<ClaimRecord | undefined> {
  const [claim] = await db.run(
    (sql) => sql<ClaimRecord[]>`
    select request_hash as "requestHash", to_json(job_ids) as "jobIds"
    from jobsvc.idempotency_keys
    where owner = ${owner} and key = ${key}`,
    deadlineMs,
  );
  return claim;
}

/** Stands behind the insert of claims: one that was made is left alone for a day, and not returned. */
export function unlessMade(sql: Sql) {
  return sql`
      on conflict (owner, key) do update
      set request_hash = excluded.request_hash, job_ids = excluded.job_ids, created_at = excluded.created_at
      where idempotency_keys.created_at < now() - interval '24 hours'`;
}

/**
 * Forgets claims that are old enough to be made anew. The age is looked at once
 * more of the row that is deleted, for it may be made anew in this moment.
 */
export async function pruneClaims(db: Database, limit: number): Promise<number> {
  const rows = await db.run(
    (sql) => sql`
    delete from jobsvc.idempotency_keys
    where (owner, key) in (
      select owner, key from jobsvc.idempotency_keys
      where created_at < now() - interval '24 hours'
      order by created_at
      limit ${limit}
    ) and created_at < now() - interval '24 hours'
    returning key`,
  );
  return rows.length;
}
