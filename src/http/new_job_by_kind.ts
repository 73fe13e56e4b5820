import type { TSchema } from "@sinclair/typebox";
import type { Kind } from "./kinds.ts";
import { namedSchemas, type Schema } from "./named_schemas.ts";

/** A value of another type is no JSON text, and so goes as itself. */
const OTHER_THAN_TEXT = ["object", "array", "number", "integer", "boolean", "null"];

const OTHER_KIND = "NewJobOfAnotherKind";

const TEXT = {
  type: "string",
  contentMediaType: "application/json",
  description: "The same, as a text that holds it.",
};

/**
 * The schema of a new job, told apart by its kind: the payload of each that is known, and its defaults. Answers that schema
 * and those that it refers to. Each kind has all the fields: readers of documents do not agree on what a part that only
 * adds to others allows.
 */
export function newJobByKind(newJob: Schema, kinds: readonly Kind[]): Record<string, Schema> {
  const { examples, description, properties, ...job } = newJob as NewJobSchema;
  const variants: Record<string, Schema> = {};
  const payloads: Record<string, Schema> = {};

  function variant(id: string, title: string, fields: Properties) {
    variants[id] = { title, ...job, properties: { ...properties, ...fields } };
  }

  for (const kind of kinds) {
    const { id, schemas } = payloadOf(kind);
    Object.assign(payloads, schemas);
    variant(`NewJob.${nameOf(kind)}`, kind.kind, fieldsOf(kind, id, properties));
  }
  const known = { oneOf: Object.keys(variants).map(refer) };
  const { examples: _, ...anyName } = properties.resource_type!;
  variant(OTHER_KIND, "any other kind", {
    resource_type: { ...anyName, not: { enum: kinds.map(({ kind }) => kind) } },
  });
  return { ...payloads, ...variants, NewJob: { description, anyOf: [known, refer(OTHER_KIND)], examples } };
}

type Properties = Record<string, Schema>;

interface NewJobSchema extends Schema {
  examples: unknown[];
  properties: Properties;
}

/** Of the fields of a new job, those that a kind knows more of. */
function fieldsOf(
  { kind, payload, queue, maxAttempts }: Kind,
  id: string,
  properties: Properties,
): Properties {
  const isNeverText = OTHER_THAN_TEXT.includes(payload.type);
  const itself = isNeverText ? refer(id) : { allOf: [refer(id), { not: { type: "string" } }] };
  return {
    resource_type: {
      type: "string",
      const: kind,
      description: String(properties.resource_type!.description),
    },
    payload: { ...properties.payload, anyOf: [itself, TEXT] },
    ...(queue !== undefined && { queue: { ...properties.queue, default: queue } }),
    ...(maxAttempts !== undefined && {
      max_retries: { ...properties.max_retries, default: maxAttempts - 1 },
    }),
  };
}

/** A component of the document has a name without colons. */
function nameOf({ kind }: Kind): string {
  return kind.replaceAll(":", "--");
}

function refer(id: string): Schema {
  return { $ref: `#/components/schemas/${id}` };
}

/** A kind's schema as a component of the document; and with it those that it names itself, as one that is recursive does. */
function payloadOf(kind: Kind): { id: string; schemas: Record<string, Schema> } {
  const name = `Payload.${nameOf(kind)}`;
  const schema = asDocumented(kind.payload, (id) => `${name}.${id.replaceAll(/[^\w.-]/g, "_")}`);
  const id = typeof schema.$id === "string" ? schema.$id : name;
  return { id, schemas: namedSchemas({ [id]: { ...schema, $id: id } }) };
}

/** JSON Schema as OpenAPI 3.1 has it, with other names for what the schema names itself. */
function asDocumented(payload: TSchema, rename: (id: string) => string): Schema {
  return JSON.parse(JSON.stringify(payload), (_, part) => {
    if (typeof part?.$id === "string") part.$id = rename(part.$id);
    if (typeof part?.$ref === "string" && !part.$ref.startsWith("#")) part.$ref = rename(part.$ref);
    if (part?.type === "array" && Array.isArray(part.items)) {
      // A tuple, as older drafts wrote it.
      part.prefixItems = part.items;
      part.items = {};
      delete part.additionalItems;
    }
    return part;
  });
}
