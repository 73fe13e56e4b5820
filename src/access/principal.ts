import { ALL_SCOPES, type Scope } from "./scopes.ts";

/** From where a key for pull workers takes jobs; null for everywhere. */
export interface TakeLimits {
  queues: readonly string[] | null;
  kinds: readonly string[] | null;
}

export const TAKES_EVERYTHING: TakeLimits = { queues: null, kinds: null };

/** On whose behalf a request is made. */
export interface Principal {
  /** The key in the database that was presented; null for a key of the settings, and where none is needed. */
  keyId: string | null;
  /** Who owns idempotency keys, and whose calls are counted against a limit. */
  owner: string;
  /** Bound to this user: sees and touches only that user's jobs. */
  userId: string | null;
  scopes: ReadonlySet<Scope>;
  /** What it may take and work on, if it may work at all. */
  takes: TakeLimits;
}

/** Everybody, on a service that only its own machine can reach and that knows no key. */
export const ANYBODY: Principal = {
  keyId: null,
  owner: "anybody",
  userId: null,
  scopes: ALL_SCOPES,
  takes: TAKES_EVERYTHING,
};

/** Who can run commands on the database's machine. */
export const COMMAND_LINE: Principal = {
  keyId: null,
  owner: "command line",
  userId: null,
  scopes: ALL_SCOPES,
  takes: TAKES_EVERYTHING,
};
