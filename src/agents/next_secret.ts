import type { AiAgentConfig } from "../job/agent.ts";
import type { NewAgent } from "./put.ts";
import type { Secrets } from "./secrets.ts";
import type { StoredAgent } from "./stored.ts";

export interface NextSecret {
  /** As it is to be kept: encrypted. */
  secret: string | null;
  /** What becomes of the signing secret of before: it stays, it is the one that is replaced now, or there is none. */
  previous: "kept" | "replaced" | "none";
}

/**
 * Why no secret can be kept: one has to be sent for an agent that signs and has none; it has to be sent again for an
 * endpoint that is somewhere else than before; or there is no key to encrypt it with.
 */
export type SecretFault = "signing_secret_missing" | "api_key_for_elsewhere" | "no_secrets_key";

const NONE: NextSecret = { secret: null, previous: "none" };

/** What is kept of the secret that is there and the one that is sent. Pure, but for the nonce of what it encrypts. */
export function nextSecret(
  seen: StoredAgent | undefined,
  wanted: NewAgent,
  secrets: Secrets,
): NextSecret | SecretFault {
  // A secret of another kind of agent is none for this one.
  const before = seen?.kind === wanted.kind ? seen : undefined;
  const kept: NextSecret = before ? { secret: before.secret, previous: "kept" } : NONE;
  if (wanted.secret === undefined) return keepFault(before, wanted) ?? kept;
  if (wanted.secret === null) return NONE;
  const old = before && inTheClear(before, secrets);
  if (old === wanted.secret) return kept;
  if (secrets.keyId === undefined) return "no_secrets_key";
  // One that nobody can read any more cannot sign either.
  const signsOn = wanted.kind === "client_agent" && old !== undefined;
  return {
    secret: secrets.encrypt(wanted.secret, wanted.resourceId),
    previous: signsOn ? "replaced" : "none",
  };
}

/**
 * Whoever may change where an agent lives, but never saw its key, could have it sent to a place of their own: so a key
 * stays only while scheme, host and port stay.
 */
function keepFault(before: StoredAgent | undefined, wanted: NewAgent): SecretFault | undefined {
  if (wanted.kind === "client_agent") return before?.secret ? undefined : "signing_secret_missing";
  if (!before?.secret) return undefined;
  return originOf(before) === originOf(wanted) ? undefined : "api_key_for_elsewhere";
}

function originOf({ config }: Pick<NewAgent, "config">): string {
  return new URL((config as AiAgentConfig).baseUrl).origin;
}

function inTheClear({ secret, resourceId }: StoredAgent, secrets: Secrets): string | undefined {
  try {
    return secret === null ? undefined : secrets.decrypt(secret, resourceId);
  } catch {
    return undefined; // its key is gone, and with it the secret
  }
}
