import { type Static, Type } from "@sinclair/typebox";
import type { KeyRecord } from "../access/keys.ts";
import { SCOPES } from "../access/scopes.ts";
import { answered, instant, name, nullable, uuid, word } from "./schemas.ts";

const KEY = {
  id: uuid("Also the part of the key between its two underscores, without hyphens."),
  name: Type.String(),
  scopes: Type.Array(word(SCOPES), { description: "What it may do." }),
  user_id: nullable(uuid(), "The one user whose jobs it sees and touches; null for all."),
  queues: nullable(
    Type.Array(name("A queue.")),
    "With `jobs:work`: the queues from which it takes; null for all.",
  ),
  kinds: nullable(Type.Array(name("A kind.")), "With `jobs:work`: the kinds that it takes; null for all."),
  state: word(["live", "expired", "revoked"], "Only a live key opens anything."),
  created_at: instant(),
  expires_at: nullable(instant(), "Null when it does not expire."),
  revoked_at: nullable(instant(), "Null when it was not revoked."),
};

export const ApiKeyView = answered(KEY, { $id: "ApiKey", description: "An API key, without what opens." });

export const CreatedApiKey = answered(
  { key: Type.String({ description: "The key itself. It is shown this once." }), ...KEY },
  { $id: "CreatedApiKey", description: "A new API key." },
);

export const ApiKeyPage = answered(
  {
    keys: Type.Array(ApiKeyView, { description: "The newest first." }),
    next_cursor: nullable(Type.String(), "For the next page; null on the last one."),
  },
  { $id: "ApiKeyPage", description: "A page of keys, those included that open nothing any more." },
);

export function keyView(key: KeyRecord): Static<typeof ApiKeyView> {
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    user_id: key.userId,
    queues: key.queues && [...key.queues],
    kinds: key.kinds && [...key.kinds],
    state: key.state,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    revoked_at: key.revokedAt?.toISOString() ?? null,
  };
}
