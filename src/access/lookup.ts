import type { Database } from "../db/connect.ts";
import { grouped } from "../db/grouped.ts";
import { isLive } from "./keys.ts";
import type { TakeLimits } from "./principal.ts";
import type { Scope } from "./scopes.ts";

export interface StoredKey extends TakeLimits {
  id: string;
  hash: string;
  scopes: Scope[];
  userId: string | null;
}

export interface Found {
  /** Undefined when there is no live key of this id. */
  key: StoredKey | undefined;
  /**
   * Whether a key was ever made. One that has expired or was revoked counts: else a service behind a proxy on its own
   * machine would open itself to everybody at the moment at which its last key ends.
   */
  keyed: boolean;
}

export type LookUp = (id: string | null) => Promise<Found>;

interface Answer {
  keys: StoredKey[];
  keyed: boolean;
}

/**
 * Looks keys up in groups, so that a key that is revoked anywhere is refused everywhere at once. It costs a lone call
 * a trip to the database, and the difference is lost in the noise under load: a cache would save that little, and owe
 * everybody an invalidation. Whoever cannot wait so long uses a key of the settings.
 */
export function keyLookUp(db: Database): LookUp {
  const ask = grouped((ids: readonly string[]) => read(db, ids));

  return async (id) => {
    const { keys, keyed } = await ask(...(id === null ? [] : [id]));
    return { key: keys.find((key) => key.id === id), keyed };
  };
}

async function read(db: Database, ids: readonly string[]): Promise<Answer> {
  const [answer] = await db.run(
    (sql) => sql<Answer[]>`
    select
      exists (select from jobsvc.api_keys) as keyed,
      (
        select coalesce(json_agg(json_build_object(
          'id', id, 'hash', hash, 'scopes', scopes, 'userId', user_id, 'queues', queues, 'kinds', kinds
        )), '[]')
        from jobsvc.api_keys
        where id = any (${[...ids]}::uuid[]) and ${isLive(sql)}
      ) as keys`,
  );
  return answer!;
}
