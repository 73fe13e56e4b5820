import { Kind, type Static, type TObject, type TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { fieldErrors, invalid } from "./field_errors.ts";
import { pointer } from "./pointer.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

/**
 * The query of an address, checked as strictly as a body: an unknown parameter, or one given twice, is refused, for
 * a filter that is silently ignored shows too much. Texts become the integers that the schema wants, where they are such.
 */
export function readQuery<Schema extends TObject>(request: Request, schema: Schema): Static<Schema> {
  const given = new URLSearchParams(queryOf(request));
  const names = [...new Set(given.keys())];
  const twice = names.filter((name) => given.getAll(name).length > 1);
  const bad = names.filter((name) => !isStorable(given.get(name) ?? ""));
  const value = Object.fromEntries(
    [...given].map(([name, text]) => [name, typed(text, schema.properties[name])]),
  );
  const errors = [
    ...twice.map((name) => ({ pointer: pointer(name), detail: "must be given once" })),
    ...bad.map((name) => ({ pointer: pointer(name), detail: NOT_STORABLE })),
    ...fieldErrors(Value.Errors(schema, value)),
  ];
  if (errors.length > 0) throw invalid(errors);
  return value as Static<Schema>;
}

/** Not by `URL`, which throws at some Host headers. */
function queryOf({ url }: Request): string {
  return /\?([^#]*)/.exec(url)?.[1] ?? "";
}

/** Not by TypeBox, which takes `1e3`, `1.9` and `true` for the integer 1. */
function typed(text: string, schema: TSchema | undefined): string | number {
  return schema?.[Kind] === "Integer" && /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}

/** The same for the OpenAPI document. */
export function queryParameters(schema: TObject) {
  return Object.entries(schema.properties as Record<string, TSchema>).map(([name, property]) => {
    const { description, ...rest } = property;
    return {
      name,
      in: "query" as const,
      required: schema.required?.includes(name) ?? false,
      ...(description !== undefined && { description }),
      schema: { ...rest },
    };
  });
}
