// Elysia registers the formats that the schemas name (`uuid`, `date-time`); without them every check fails.
import "elysia";
import { type ObjectOptions, type TProperties, type TSchema, Type } from "@sinclair/typebox";
import { NAME_PATTERN } from "../job/job.ts";
import { STALE_REASONS } from "../job/stale.ts";

// A schema with an `$id` is a component of the OpenAPI document under that name, wherever it is used.

/** Stricter than the format of the same name, which also admits `urn:uuid:` and with it what Postgres refuses. */
export const UUID_PATTERN = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";

/**
 * RFC 3339, with a zone: a time without one means another moment on every server. In the years from 1970 to 2199:
 * outside of them stand slips of the keyboard, and milliseconds taken for seconds.
 */
export const INSTANT_PATTERN =
  "^(19[7-9]\\d|2[01]\\d\\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])" +
  "[Tt]([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)$";

export const uuid = (description?: string) =>
  Type.String({ format: "uuid", pattern: UUID_PATTERN, ...(description && { description }) });

/** The lengths are in the pattern, too; said once more for those who make names up. */
export const name = (description: string, more: { default?: string; examples?: string[] } = {}) =>
  Type.String({ pattern: NAME_PATTERN, minLength: 1, maxLength: 64, description, ...more });

export const instant = (description?: string) =>
  Type.String({ format: "date-time", ...(description && { description }) });

export const nullable = <Schema extends TSchema>(schema: Schema, description: string) =>
  Type.Union([schema, Type.Null()], { description });

/** An object with members of the caller's own choice. */
export const open = (description: string) => Type.Object({}, { additionalProperties: true, description });

/** One of a closed list of words. The pattern says the same once more, for TypeBox does not look at `enum`. */
export const word = <Word extends string>(words: readonly Word[], description?: string) =>
  Type.Unsafe<Word>(
    Type.String({
      enum: [...words],
      pattern: `^(${words.join("|").replaceAll(".", "\\.")})$`,
      ...(description && { description }),
    }),
  );

/**
 * What the service answers. It may grow, so clients must not mind members that they do not know. This has to
 * be said aloud: Elysia closes a schema that says nothing, and only once a request has come.
 */
export const answered = <Properties extends TProperties>(properties: Properties, options: ObjectOptions) =>
  Type.Object(properties, { ...options, additionalProperties: true });

export const JobId = Type.Object({ id: uuid("The job's id, as it was answered when it was created.") });

/** How the parts of a process are, each by its name. */
export const CHECKS = Type.Object(
  {},
  { additionalProperties: Type.Object({ ok: Type.Boolean(), detail: Type.Optional(Type.String()) }) },
);

export const ProblemBody = answered(
  {
    type: Type.String({
      format: "uri",
      description: "Names the kind of problem; the one to program against.",
    }),
    title: Type.String({ description: "The kind of problem for people." }),
    status: Type.Integer({ description: "The status of the answer." }),
    detail: Type.String({ description: "What is wrong with this request." }),
    instance: Type.String({ description: "The id of the request, as in X-Request-Id." }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: "JSON pointer (RFC 6901) into the body." }),
          detail: Type.String(),
        }),
        { description: "Each fault by itself, where there can be several." },
      ),
    ),
    scope: Type.Optional(Type.String({ description: "The scope that the key lacks." })),
    reason: Type.Optional(word(STALE_REASONS, "Why a job is not held any more.")),
    checks: Type.Optional(CHECKS),
  },
  {
    $id: "Problem",
    description: "An error (RFC 9457).",
    examples: [
      {
        type: "urn:problem-type:jobsvc:invalid",
        title: "The request is not valid",
        status: 422,
        detail: "one field is not valid",
        instance: "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77",
        errors: [{ pointer: "/priority", detail: "must be an integer from 1 to 9" }],
      },
    ],
  },
);

/** A structured-field string, or a bare word; as `idempotency.ts` reads it. */
const IDEMPOTENCY_PATTERN = '^("([ !#-\\[\\]-~]|\\\\["\\\\]){1,255}"|[A-Za-z0-9._:~+/=-]{1,255})$';

// Headers for the `detail.parameters` of routes. Without examples, which Swagger UI would send: a key that was used
// before, or a wish to wait, is nothing for the first try.

/** For a route that creates jobs. */
export const IDEMPOTENCY_HEADER = {
  name: "Idempotency-Key",
  in: "header" as const,
  required: false,
  description:
    'Chosen by the client, 1 to 255 characters: a repeat of the request with the same key, for a day, gets the same answer. For example `"4f9c2a1e"`.',
  schema: { type: "string" as const, pattern: IDEMPOTENCY_PATTERN },
};

export const PREFER_HEADER = {
  name: "Prefer",
  in: "header" as const,
  required: false,
  description: "`wait=30` (RFC 7240) wishes what `?wait=30` demands; what cannot be read is ignored.",
  schema: { type: "string" as const },
};

export const IF_NONE_MATCH_HEADER = {
  name: "If-None-Match",
  in: "header" as const,
  required: false,
  description: "The `ETag` of an earlier answer: the job comes only if it has changed.",
  schema: { type: "string" as const },
};

/** For the `response` of a route: every refusal looks alike. */
export function problems<Status extends number>(...statuses: Status[]): Record<Status, "Problem"> {
  return Object.fromEntries(statuses.map((status) => [status, "Problem"])) as Record<Status, "Problem">;
}
