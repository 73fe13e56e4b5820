import type { Database } from "../db/connect.ts";
import { type BadKeys, badKeys } from "./bad_keys.ts";
import type { CallbackTokens } from "./callback_tokens.ts";
import { type Keyring, keyring } from "./keyring.ts";
import { type CallsPerMinute, type Limits, limits } from "./limits.ts";
import { keyLookUp } from "./lookup.ts";

/** What stands between a caller and the routes. */
export interface Access {
  keyring: Keyring;
  badKeys: BadKeys;
  limits: Limits;
  tokens: CallbackTokens;
}

export interface AccessParts {
  db: Database;
  settingsKeys: readonly string[];
  openWithoutKeys: boolean;
  callsPerMinute: CallsPerMinute;
  tokens: CallbackTokens;
  /** A clock in milliseconds that never goes back. */
  now?: () => number;
}

export function access(parts: AccessParts): Access {
  const { db, settingsKeys, openWithoutKeys, callsPerMinute, tokens, now } = parts;
  return {
    keyring: keyring({ settingsKeys, lookUp: keyLookUp(db), openWithoutKeys }),
    badKeys: badKeys(now),
    limits: limits(callsPerMinute, now),
    tokens,
  };
}
