import type { Scope } from "../access/scopes.ts";
import { type AnswerFacts, headersOf } from "./answer_headers.ts";
import { linksOf } from "./links.ts";
import type { Schema } from "./named_schemas.ts";
import { kindsOf, type ProblemKind, titleOf } from "./problem.ts";
import { JSON_TYPE } from "./request_body.ts";

interface Media {
  schema: Schema;
  example?: unknown;
  examples?: Record<string, { $ref: string }>;
}

interface Body {
  content?: Record<string, Media>;
  [more: string]: unknown;
}

export interface Operation {
  description: string;
  parameters?: { name: string }[];
  requestBody?: Body;
  responses: Record<string, Body>;
  /** Why the route answers 409: said by the route, left out of the document. */
  "x-conflict"?: ProblemKind | ProblemKind[];
  /** The other type in which the route takes its body, likewise. */
  "x-body-type"?: string;
  [more: string]: unknown;
}

/** Answers without a body. */
const BODILESS = [204, 304];

/** What opens an operation: a key with a scope, the token of a call, or undefined for nothing. */
export type Opening = { scope: Scope } | "token" | undefined;

export interface Surroundings {
  opening: Opening;
  schemas: Record<string, Schema>;
  /** Gathers what anything is refused for. */
  refusals: Set<ProblemKind>;
}

/** What the generator wrote, without what OpenAPI does not know: it lists every body under three types, for one. */
export function describe(
  {
    requestBody,
    responses,
    "x-conflict": conflict,
    "x-body-type": otherType,
    description,
    ...operation
  }: Operation,
  { opening, schemas, refusals }: Surroundings,
) {
  const scope = typeof opening === "object" ? opening.scope : undefined;
  const parameters = new Set(operation.parameters?.map(({ name }) => name));
  return {
    ...operation,
    description: scope ? `${description} Needs the scope \`${scope}\`.` : description,
    security: securityOf(opening),
    ...(requestBody && {
      requestBody: { required: true, content: bodyContent(requestBody, schemas, otherType) },
    }),
    responses: mapValues(responses, (response, key) => {
      const status = Number(key);
      const kinds = refusalsOf(status, parameters, conflict);
      for (const kind of kinds) refusals.add(kind);
      return answer(response, kinds, { status, scoped: scope !== undefined, parameters }, schemas);
    }),
  };
}

function securityOf(opening: Opening): Record<string, string[]>[] {
  if (opening === undefined) return [];
  // A service without any key is open, to its own machine only.
  return opening === "token" ? [{ token: [] }] : [{ key: [opening.scope] }, {}];
}

/** Why an operation answers this status. Most statuses have one reason. */
function refusalsOf(
  status: number,
  parameters: ReadonlySet<string>,
  conflict: ProblemKind | ProblemKind[] = "in_progress",
): ProblemKind[] {
  const isRepeatable = parameters.has("Idempotency-Key");
  if (status === 409) return [conflict].flat();
  if (status === 422 && !isRepeatable) return ["invalid"];
  return kindsOf(status);
}

function bodyContent(
  body: Body,
  schemas: Record<string, Schema>,
  otherType: string | undefined,
): Record<string, Media> {
  const { schema } = mediaOf(body);
  const [example] = schemas[nameOf(schema)]?.examples ?? [];
  return {
    [JSON_TYPE]: { schema, ...(example !== undefined && { example }) },
    ...(otherType && {
      [otherType]: {
        schema: { type: "string" },
        example: (example as unknown[]).map((line) => JSON.stringify(line)).join("\n"),
      },
    }),
  };
}

function answer(
  response: Body,
  refusals: ProblemKind[],
  facts: Omit<AnswerFacts, "schema">,
  schemas: Record<string, Schema>,
): Body {
  const { status } = facts;
  const media = BODILESS.includes(status) ? undefined : mediaOf(response);
  const schema = nameOf(media?.schema ?? {});
  return {
    description: refusals.length > 0 ? refusals.map(titleOf).join("; ") : response.description,
    headers: headersOf({ ...facts, schema }),
    ...linksOf(schema, status),
    ...(media && {
      content:
        refusals.length > 0
          ? { "application/problem+json": { ...media, examples: examplesOf(refusals) } }
          : { [typeOf(media.schema, schemas)]: media },
    }),
  };
}

function examplesOf(kinds: readonly ProblemKind[]): Record<string, { $ref: string }> {
  return Object.fromEntries(kinds.map((kind) => [kind, { $ref: `#/components/examples/${kind}` }]));
}

/** What is no JSON says so itself, by the keyword of JSON Schema. */
function typeOf(schema: Schema, schemas: Record<string, Schema>): string {
  return String((schemas[nameOf(schema)] ?? schema).contentMediaType ?? JSON_TYPE);
}

function mediaOf({ content }: Body): Media {
  const [media] = Object.values(content ?? {});
  if (media === undefined) throw new Error("a body without a schema cannot be described");
  return media;
}

function nameOf({ $ref }: Schema): string {
  return $ref?.split("/").at(-1) ?? "";
}

export function mapValues<From, To>(
  object: Record<string, From>,
  change: (value: From, key: string) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}
