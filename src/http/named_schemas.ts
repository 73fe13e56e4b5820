/** JSON Schema as the generator leaves it: with the `$id` of every schema that has a name. */
export type Schema = { $id?: string; $ref?: string; examples?: unknown[]; [keyword: string]: unknown };

const PREFIX = "#/components/schemas/";

/**
 * Moves every schema with an `$id` to the components of the document, however deep it stands in another, and
 * leaves a reference in its place: so that a client made from the document has one type for each name.
 */
export function namedSchemas(schemas: Record<string, Schema>): Record<string, Schema> {
  const named: Record<string, Schema> = {};

  function referring(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(referring);
    if (typeof value !== "object" || value === null) return value;
    const { $id, ...schema } = value as Schema;
    // A text: the member of an object may have this name, too, and is a schema then.
    if (typeof $id === "string") {
      named[$id] ??= membersOf(schema);
      return { $ref: PREFIX + $id };
    }
    const members = membersOf(value);
    return isShortReference(members) ? { $ref: PREFIX + members.$ref } : members;
  }

  function membersOf(schema: object): Schema {
    return Object.fromEntries(Object.entries(schema).map(([key, member]) => [key, referring(member)]));
  }

  for (const schema of Object.values(schemas)) referring(schema);
  for (const schema of Object.values(named)) {
    // The default of JSON Schema; spelled out, it makes generated types accept any misspelt member.
    if (schema.additionalProperties === true) delete schema.additionalProperties;
  }
  return Object.fromEntries(Object.entries(named).sort());
}

/** A schema that contains itself names itself, without the path. */
function isShortReference({ $ref }: Schema): boolean {
  return typeof $ref === "string" && !$ref.startsWith("#");
}
