import type { Database } from "../db/connect.ts";
import { isLive } from "./keys.ts";
import type { Scope } from "./scopes.ts";

export interface StoredKey {
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
 * Looks keys up in groups: requests that arrive while a look-up is in flight share the next one. Nothing is kept
 * between them, so every answer was read after its request came, and a key that is revoked anywhere is refused
 * everywhere at once. It costs a lone call 0.1 ms; under load one statement serves dozens of calls, and the
 * difference is lost in the noise. A cache would save that little, and owe everybody an invalidation.
 */
export function keyLookUp(db: Database): LookUp {
  let inFlight: Promise<unknown> = Promise.resolve();
  let next: { ids: Set<string>; answer: Promise<Answer> } | undefined;

  function nextGroup() {
    const ids = new Set<string>();
    const answer = inFlight.then(() => {
      next = undefined;
      return read(db, [...ids]);
    });
    inFlight = answer.catch(() => undefined); // told to those who wait for it
    return { ids, answer };
  }

  return async (id) => {
    next ??= nextGroup();
    if (id !== null) next.ids.add(id);
    const { keys, keyed } = await next.answer;
    return { key: keys.find((key) => key.id === id), keyed };
  };
}

async function read(db: Database, ids: readonly string[]): Promise<Answer> {
  const [answer] = await db.run(
    (sql) => sql<Answer[]>`
    select
      exists (select from jobsvc.api_keys) as keyed,
      (
        select coalesce(json_agg(json_build_object('id', id, 'hash', hash, 'scopes', scopes, 'userId', user_id)), '[]')
        from jobsvc.api_keys
        where id = any (${[...ids]}::uuid[]) and ${isLive(sql)}
      ) as keys`,
  );
  return answer!;
}
