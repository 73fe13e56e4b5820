import type { Database } from "../db/connect.ts";
import { prefixOf, SecretError, type Secrets } from "./secrets.ts";

export interface Rotated {
  /** How many agents have their secrets under the first key now, and had not before. */
  rotated: number;
  /** Agents whose secrets none of the keys can read: they stay as they are. */
  unreadable: string[];
}

interface Kept {
  resourceId: string;
  secret: string | null;
  previousSecret: string | null;
  /** Then the previous secret is of no use to anybody, and goes. */
  previousIsOver: boolean;
}

/** Short statements, however many agents there are. */
const BATCH = 200;

/**
 * Encrypts under the first key whatever is kept under another. Safe while others put and delete agents: what somebody
 * changed in between is looked at again. Those others must know the first key by then, and encrypt with it: what they
 * encrypt with another one later is not seen here.
 */
export async function rotateSecrets(db: Database, secrets: Secrets): Promise<Rotated> {
  if (secrets.keyId === undefined) throw new SecretError("there is no key to encrypt secrets with");
  const unreadable = new Set<string>();
  let rotated = 0;
  let after: string | null = null;
  for (;;) {
    const page: Kept[] = await readOld(db, prefixOf(secrets.keyId), after);
    if (page.length === 0) return { rotated, unreadable: [...unreadable] };
    const pairs = page.flatMap((old) => {
      const renewed = renew(old, secrets);
      if (renewed === undefined) unreadable.add(old.resourceId);
      return renewed === undefined ? [] : [{ old, renewed }];
    });
    const written = await write(db, pairs);
    rotated += written;
    if (written === pairs.length) after = page.at(-1)!.resourceId;
  }
}

async function readOld(db: Database, prefix: string, after: string | null): Promise<Kept[]> {
  return await db.run(
    (sql) => sql<Kept[]>`
    select resource_id as "resourceId", secret, previous_secret as "previousSecret",
      coalesce(previous_secret_until <= now(), false) as "previousIsOver"
    from jobsvc.agents
    where (${after}::uuid is null or resource_id > ${after})
      and (not starts_with(secret, ${prefix}) or not starts_with(previous_secret, ${prefix}))
    order by resource_id
    limit ${BATCH}`,
  );
}

function renew(old: Kept, secrets: Secrets): Kept | undefined {
  const anew = (text: string | null) =>
    text === null ? null : secrets.encrypt(secrets.decrypt(text, old.resourceId), old.resourceId);
  try {
    return {
      ...old,
      secret: anew(old.secret),
      previousSecret: old.previousIsOver ? null : anew(old.previousSecret),
    };
  } catch (error) {
    if (error instanceof SecretError) return undefined;
    throw error;
  }
}

/** Answers how many were written: those that are no longer as they were read are left alone. Sent twice it answers the same. */
async function write(db: Database, pairs: readonly { old: Kept; renewed: Kept }[]): Promise<number> {
  const rows = await db.run(
    (sql) => sql`
    update jobsvc.agents set secret = renewed.secret, previous_secret = renewed.previous_secret
    from unnest(
      ${pairs.map(({ old }) => old.resourceId)}::uuid[],
      ${pairs.map(({ old }) => old.secret)}::text[],
      ${pairs.map(({ old }) => old.previousSecret)}::text[],
      ${pairs.map(({ renewed }) => renewed.secret)}::text[],
      ${pairs.map(({ renewed }) => renewed.previousSecret)}::text[]
    ) as renewed (resource_id, old_secret, old_previous_secret, secret, previous_secret)
    where agents.resource_id = renewed.resource_id and (
      (agents.secret, agents.previous_secret) is not distinct from (old_secret, old_previous_secret)
      or (agents.secret, agents.previous_secret) is not distinct from (renewed.secret, renewed.previous_secret)
    )
    returning 1`,
  );
  return rows.length;
}
