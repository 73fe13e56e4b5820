import type { Database, Sql } from "../db/connect.ts";
import { hashOf, keyText, newKey } from "./key.ts";
import { TAKES_EVERYTHING, type TakeLimits } from "./principal.ts";
import type { Scope } from "./scopes.ts";

export interface NewKey {
  name: string;
  scopes: readonly Scope[];
  /** Bound to this user; null for everybody's jobs. */
  userId: string | null;
  /** For pull workers: from where it takes. Everywhere when left out. */
  takes?: TakeLimits;
  /** A moment, or a time from now by the clock of the database; null for never. */
  expires: { at: Date } | { inMs: number } | null;
}

/** What may be told of a key: everything but what opens. */
export interface KeyRecord extends TakeLimits {
  id: string;
  name: string;
  scopes: Scope[];
  userId: string | null;
  state: "live" | "expired" | "revoked";
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

export interface CreatedKey {
  /** Told here and never again: only its hash is kept. */
  text: string;
  record: KeyRecord;
}

/** By the database's clock, so that a key ends at the same moment on every node. */
export const isLive = (sql: Sql) => sql`revoked_at is null and (expires_at is null or expires_at > now())`;

const record = (sql: Sql) => sql`
  id, name, to_json(scopes) as scopes, user_id as "userId", to_json(queues) as queues, to_json(kinds) as kinds,
  created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt",
  case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'live' end as state`;

/** Undefined when it would have expired before it was made. */
export async function createKey(db: Database, wanted: NewKey): Promise<CreatedKey | undefined> {
  const key = newKey();
  const { expires, takes = TAKES_EVERYTHING } = wanted;
  const at = expires !== null && "at" in expires ? expires.at.toISOString() : null;
  const inMs = expires !== null && "inMs" in expires ? expires.inMs : null;
  const [made] = await db.run(
    (sql) => sql<KeyRecord[]>`
    insert into jobsvc.api_keys as known (id, name, hash, scopes, user_id, queues, kinds, expires_at)
    select ${key.id}, ${wanted.name}, ${hashOf(key.secret)}, ${[...wanted.scopes]}::text[], ${wanted.userId},
      ${takes.queues && [...takes.queues]}::text[], ${takes.kinds && [...takes.kinds]}::text[], expires_at
    from coalesce(${at}::timestamptz, now() + ${inMs}::float8 * interval '1 millisecond') as expires_at
    where expires_at is null or expires_at > now()
    on conflict (id) do update set name = excluded.name where known.hash = excluded.hash
    returning ${record(sql)}`,
  );
  return made && { text: keyText(key), record: made };
}

/** Whether a key was ever made, and whether one opens now. */
export async function anyKeys(db: Database): Promise<{ known: boolean; live: boolean }> {
  const [keys] = await db.run(
    (sql) => sql<{ known: boolean; live: boolean }[]>`
    select
      exists (select from jobsvc.api_keys) as known,
      exists (select from jobsvc.api_keys where ${isLive(sql)}) as live`,
  );
  return keys!;
}

/** A page of keys, the newest first, those included that no longer open anything. `before` is the last one seen. */
export async function listKeys(
  db: Database,
  { limit, before = null }: { limit: number; before?: string | null },
): Promise<KeyRecord[]> {
  return await db.run(
    (sql) => sql<KeyRecord[]>`
    select ${record(sql)} from jobsvc.api_keys
    where ${before}::uuid is null or id < ${before}
    order by id desc
    limit ${limit}`,
  );
}

export interface Revoked {
  record: KeyRecord;
  /** False when it had been revoked before. */
  now: boolean;
}

/** From the next request on the key opens nothing, on every node. Undefined when there is no such key. */
export async function revokeKey(db: Database, id: string): Promise<Revoked | undefined> {
  const [row] = await db.run(
    (sql) => sql<(KeyRecord & { now: boolean })[]>`
    update jobsvc.api_keys set revoked_at = coalesce(revoked_at, now())
    where id = ${id}
    returning ${record(sql)}, revoked_at = now() as now`,
  );
  if (row === undefined) return undefined;
  const { now, ...revoked } = row;
  return { record: revoked, now };
}
