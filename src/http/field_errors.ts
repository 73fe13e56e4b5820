import { Kind, type TSchema } from "@sinclair/typebox";
import { type ValueErrorIterator, ValueErrorType } from "@sinclair/typebox/errors";
import { NAME_PATTERN } from "../job/job.ts";
import { API_KEY_PATTERN, SIGNING_SECRET_FORM, SIGNING_SECRET_PATTERN } from "./new_agent.ts";
import { shortened } from "./pointer.ts";
import { type FieldError, Problem } from "./problem.ts";
import { INSTANT_PATTERN, UUID_PATTERN } from "./schemas.ts";

/** Enough to mend a request by; a body with forty thousand faults is not answered with as many. */
const MAX_ERRORS = 50;

export function invalid(errors: readonly FieldError[]): Problem {
  const detail = errors.length === 1 ? "one field is not valid" : `${errors.length} fields are not valid`;
  return new Problem("invalid", detail, { errors: errors.slice(0, MAX_ERRORS) });
}

/** The first fault of each field, in words that repeat nothing of what was sent. */
export function fieldErrors(found: ValueErrorIterator): FieldError[] {
  const byPointer = new Map<string, string>();
  for (const { type, path, schema } of found) {
    const at = shortened(path);
    if (!byPointer.has(at)) byPointer.set(at, describe(type, schema));
    if (byPointer.size === MAX_ERRORS) break;
  }
  return [...byPointer].map(([pointer, detail]) => ({ pointer, detail }));
}

function describe(type: ValueErrorType, schema: TSchema): string {
  if (type === ValueErrorType.ObjectRequiredProperty) return "is required";
  if (type === ValueErrorType.ObjectAdditionalProperties) return "is not a field of this request";
  return `must be ${expected(schema)}`;
}

const OF_PATTERN: Record<string, string> = {
  [UUID_PATTERN]: "a UUID",
  [INSTANT_PATTERN]:
    "a date and time with a zone (RFC 3339) in the years 1970 to 2199, such as 2024-01-01T12:00:00Z",
  [NAME_PATTERN]:
    "1 to 64 letters, digits, dots, colons, hyphens or underscores, with a letter or digit first",
  [API_KEY_PATTERN]: "1 to 4096 visible ASCII characters",
  [SIGNING_SECRET_PATTERN]: SIGNING_SECRET_FORM,
};

function expected(schema: TSchema): string {
  switch (schema[Kind]) {
    case "Integer":
      return `an integer from ${schema.minimum} to ${schema.maximum}`;
    case "Number":
      return `a number from ${schema.minimum} to ${schema.maximum}`;
    case "String":
      if (schema.enum) return `one of ${schema.enum.join(", ")}`;
      return OF_PATTERN[schema.pattern] ?? `a text of ${schema.minLength} to ${schema.maxLength} characters`;
    case "Array":
      return listed(schema);
    case "Union":
      return schema.anyOf.map(expected).join(", or ");
    case "Boolean":
      return "true or false";
    case "Null":
      return "null";
    default:
      return "an object";
  }
}

function listed({ minItems, maxItems, uniqueItems }: TSchema): string {
  const size = minItems === undefined ? `at most ${maxItems}` : `${minItems} to ${maxItems}`;
  return `a list of ${size}${uniqueItems ? ", each once" : ""}`;
}
