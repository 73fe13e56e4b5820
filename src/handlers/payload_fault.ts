import { Kind, TransformKind, type TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { storedError } from "../job/errors.ts";
import { FORMATS, provideFormats } from "./formats.ts";

/** The types whose values are JSON. TypeBox has more of them (dates, functions, bytes), but no payload could ever fit. */
const JSON_TYPES = new Set<unknown>(
  (
    "Any Unknown Never Null Boolean Integer Number String TemplateLiteral Literal " +
    "Array Tuple Object Record Union Intersect Not Ref This Import"
  ).split(" "),
);

/** Why payloads cannot be checked by this schema, or undefined. */
export function payloadFault(schema: TSchema): string | undefined {
  provideFormats();
  for (const part of partsOf(schema)) {
    if (!JSON_TYPES.has(part[Kind])) return `is JSON, which has no Type.${String(part[Kind])}`;
    if (TransformKind in part) return "is kept as it is sent: Type.Transform cannot be used";
    if (typeof part.format === "string" && !Object.hasOwn(FORMATS, part.format))
      return `names an unknown format, "${part.format}"; known are ${Object.keys(FORMATS).join(", ")}`;
    const broken = typeof part.pattern === "string" && whyNot(() => new RegExp(part.pattern));
    if (broken) return `has a pattern that cannot be: ${broken}`;
  }
  const broken = whyNot(() => TypeCompiler.Compile(schema));
  return broken && `is no schema that can be checked: ${broken}`;
}

/** What goes wrong when this is made. */
function whyNot(make: () => unknown): string | undefined {
  try {
    make();
    return undefined;
  } catch (error) {
    return storedError(error).message;
  }
}

/** A schema and all schemas inside of it. */
function* partsOf(value: unknown): Generator<TSchema> {
  if (typeof value !== "object" || value === null) return;
  if (Kind in value) yield value as TSchema;
  for (const member of Object.values(value)) yield* partsOf(member);
}
