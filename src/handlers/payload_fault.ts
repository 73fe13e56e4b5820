import { FormatRegistry, Kind, TransformKind, type TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { storedError } from "../job/errors.ts";
import { FORMATS, provideFormats } from "./formats.ts";

/** The types whose values are JSON. TypeBox has more of them (dates, functions, bytes), but no payload could ever fit. */
const JSON_TYPES: readonly unknown[] = [
  ...[
    "Any",
    "Unknown",
    "Never",
    "Null",
    "Boolean",
    "Integer",
    "Number",
    "String",
    "TemplateLiteral",
    "Literal",
  ],
  ...["Array", "Tuple", "Object", "Record", "Union", "Intersect", "Not", "Ref", "This", "Import"],
];

/** Why payloads cannot be checked by this schema, or undefined. */
export function payloadFault(schema: TSchema): string | undefined {
  provideFormats();
  for (const part of partsOf(schema)) {
    if (!JSON_TYPES.includes(part[Kind])) return `is JSON, which has no Type.${String(part[Kind])}`;
    if (TransformKind in part) return "is kept as it is sent: Type.Transform cannot be used";
    if (typeof part.format === "string" && !FormatRegistry.Has(part.format))
      return `names an unknown format, "${part.format}"; known are ${Object.keys(FORMATS).join(", ")}`;
  }
  try {
    TypeCompiler.Compile(schema);
    return undefined;
  } catch (error) {
    return `is no schema that can be checked: ${storedError(error).message}`;
  }
}

/** A schema and all schemas inside of it. */
function* partsOf(value: unknown): Generator<TSchema> {
  if (typeof value !== "object" || value === null) return;
  if (Kind in value) yield value as TSchema;
  for (const member of Object.values(value)) yield* partsOf(member);
}
