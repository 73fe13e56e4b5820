import { Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { keyFaults } from "../access/key_faults.ts";
import type { NewKey } from "../access/keys.ts";
import { SCOPES } from "../access/scopes.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { instantFaults } from "./instant.ts";
import type { JsonBody } from "./request_body.ts";
import { INSTANT_PATTERN, name, nullable, uuid, word } from "./schemas.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

export const MAX_KEY_BYTES = 8 * 1024;

/** Of queues or kinds: a key is limited to what one team works on. */
const MOST_NAMES = 50;

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
      nullable(
        uuid(),
        "The one user whose jobs it is to see and touch. Not together with `admin` or `jobs:work`.",
      ),
    ),
    queues: Type.Optional(
      nullable(
        Type.Array(name("A queue."), { minItems: 1, maxItems: MOST_NAMES, uniqueItems: true }),
        "The only queues from which its workers take. Only with `jobs:work`.",
      ),
    ),
    kinds: Type.Optional(
      nullable(
        Type.Array(name("A kind."), { minItems: 1, maxItems: MOST_NAMES, uniqueItems: true }),
        "The only kinds of jobs that its workers take. Only with `jobs:work`.",
      ),
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
  const { name, scopes, user_id = null, queues = null, kinds = null, expires_at = null } = value;
  const expires = expires_at === null ? null : { at: new Date(expires_at) };
  const key: NewKey = { name, scopes, userId: user_id, takes: { queues, kinds }, expires };
  const faults = [
    ...(isStorable(name) ? [] : [{ pointer: "/name", detail: NOT_STORABLE }]),
    ...instantFaults(expires_at, "/expires_at"),
    ...keyFaults(key).map(({ member, detail }) => ({ pointer: POINTERS[member], detail })),
  ];
  if (faults.length > 0) throw invalid(faults);
  return key;
}

const POINTERS = { userId: "/user_id", queues: "/queues", kinds: "/kinds" } as const;
