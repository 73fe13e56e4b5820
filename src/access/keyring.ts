import { hashOf, isSameHash, parseKey } from "./key.ts";
import type { LookUp, StoredKey } from "./lookup.ts";
import { ANYBODY, type Principal, TAKES_EVERYTHING } from "./principal.ts";
import { ALL_SCOPES } from "./scopes.ts";

export interface KeyringParts {
  /** The keys of the settings: they may do everything, and need no database. */
  settingsKeys: readonly string[];
  lookUp: LookUp;
  /** Whether a service without any key serves everybody, as it may where only its own machine can call. */
  openWithoutKeys: boolean;
}

export interface Keyring {
  /** Who presents this key. Undefined when it opens nothing, be it unknown, revoked or expired. */
  identify(presented: string | undefined): Promise<Principal | undefined>;
  /** Whether this key has opened lately. Says nothing of now, but its holder is no guesser. */
  hasOpened(presented: string): boolean;
}

/** Compared with when there is no key of that id, so that its absence takes no less time. */
const NO_HASH = hashOf("");
/** Enough to tell two keys apart in an audit row, and of no use to a thief. */
const OWNER_DIGITS = 12;
/** More keys than one process serves within seconds. */
const MOST_REMEMBERED = 10_000;

export function keyring({ settingsKeys, lookUp, openWithoutKeys }: KeyringParts): Keyring {
  /** By their hashes: the time of a look-up may tell something of a hash, but a hash leads nobody to its key. */
  const ofSettings = new Map(settingsKeys.map((key) => [hashOf(key), settingsPrincipal(key)]));

  async function fromDatabase(presented: string | undefined): Promise<Principal | undefined> {
    const parsed = presented === undefined ? undefined : parseKey(presented);
    // Where keys are needed anyway, what is no key of ours is refused without asking.
    if (ofSettings.size > 0 && parsed === undefined) return undefined;
    const { key, keyed } = await lookUp(parsed?.id ?? null);
    const fits = isSameHash(hashOf(parsed?.secret ?? ""), key?.hash ?? NO_HASH);
    if (key && fits) return principalOf(key);
    return !keyed && ofSettings.size === 0 && openWithoutKeys ? ANYBODY : undefined;
  }

  const opened = new Set<string>();

  function remember(hash: string) {
    if (opened.size >= MOST_REMEMBERED) opened.clear();
    opened.add(hash);
  }

  return {
    async identify(presented) {
      if (!presented) return await fromDatabase(presented);
      const hash = hashOf(presented);
      const principal = ofSettings.get(hash) ?? (await fromDatabase(presented));
      if (principal) remember(hash);
      return principal;
    },
    hasOpened: (presented) => opened.has(hashOf(presented)),
  };
}

function principalOf({ id, userId, scopes, queues, kinds }: StoredKey): Principal {
  return { keyId: id, owner: id, userId, scopes: new Set(scopes), takes: { queues, kinds } };
}

function settingsPrincipal(key: string): Principal {
  const owner = `settings:${hashOf(key).slice(0, OWNER_DIGITS)}`;
  return { keyId: null, owner, userId: null, scopes: ALL_SCOPES, takes: TAKES_EVERYTHING };
}
