import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { NewKey } from "../access/keys.ts";
import { SCOPES } from "../access/scopes.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { instantFaults } from "./instant.ts";
import type { JsonBody } from "./request_body.ts";
import { INSTANT_PATTERN, nullable, uuid, word } from "./schemas.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

export const MAX_KEY_BYTES = 8 * 1024;

export const NewKeyBody = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, description: "For people: who has it, and for what." }),
    scopes: Type.Array(word(SCOPES), {
      minItems: 1,
      maxItems: SCOPES.length,
      uniqueItems: true,
      description: "What the key may do. `admin` includes the others.",
    }),
    user_id: Type.Optional(
      nullable(uuid(), "The one user whose jobs it is to see and touch. Not together with `admin`."),
    ),
    expires_at: Type.Optional(
      nullable(
        Type.String({ format: "date-time", pattern: INSTANT_PATTERN }),
        "From this time on it opens nothing.",
      ),
    ),
  },
  {
    $id: "NewApiKey",
    additionalProperties: false,
    description: "A key as it is asked for.",
    examples: [{ name: "the shop", scopes: ["jobs:write", "jobs:read"] }],
  },
);

const schema = TypeCompiler.Compile(NewKeyBody);

/** Makes a key of a request's body, or throws the problem that names every field that is wrong. */
export function readNewKey({ value }: JsonBody): NewKey {
  if (!schema.Check(value)) throw invalid(fieldErrors(schema.Errors(value)));
  const { name, scopes, user_id, expires_at } = value;
  const faults = [
    ...(isStorable(name) ? [] : [{ pointer: "/name", detail: NOT_STORABLE }]),
    ...instantFaults(expires_at ?? null, "/expires_at"),
    // It could make itself another key, without the bond.
    ...(user_id && scopes.includes("admin")
      ? [{ pointer: "/user_id", detail: "cannot bind a key with the scope admin" }]
      : []),
  ];
  if (faults.length > 0) throw invalid(faults);
  return { name, scopes, userId: user_id ?? null, expires: expires_at ? { at: new Date(expires_at) } : null };
}
