import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Given } from "./environment.ts";
import type { Setting } from "./settings.ts";

/** An echo is for recognising a value, not for reading it. */
const LONGEST_ECHO = 60;

/** The value that a text stands for; throws a sentence that begins with where the text came from. */
export function readValue(setting: Setting, { source, text }: Given): unknown {
  if (text === "") throw new Error(`${source}: is empty; leave it out or give it a value`);
  const value = parse(setting, text);
  if (Value.Check(setting, value)) return value;
  throw new Error(`${source}: must be ${expected(setting)}${setting.secret ? "" : `, not ${echo(text)}`}`);
}

/** What the setting takes, for errors and help alike. */
export function expected(setting: Setting): string {
  if (setting.expects) return setting.expects;
  if (setting.enum) return setting.enum.join(", ").replace(/, (\w+)$/, " or $1");
  return `a whole number from ${setting.minimum} to ${setting.maximum}`;
}

/** Text to value by the type alone. A text that does not fit stays a text, and fails the check. */
function parse(schema: TSchema, text: string): unknown {
  switch (schema.type) {
    case "integer":
      return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
    case "boolean":
      return text === "true" || (text === "false" ? false : text);
    case "array":
      return text.split(/[,\n]/).map((item) => parse(schema.items, item.trim()));
    case "object":
      return nameAndSlots(text);
    default:
      return text;
  }
}

/** A name may hold colons itself: the last one is ours. */
function nameAndSlots(text: string): unknown {
  const colon = text.lastIndexOf(":");
  const slots = text.slice(colon + 1);
  return colon > 0 && /^\d{1,15}$/.test(slots) ? { name: text.slice(0, colon), slots: Number(slots) } : text;
}

/** A value in the wrong place may be a secret: what looks like a password in a URL is not repeated. */
function echo(text: string): string {
  const safe = text.replace(/\/\/\S*@/g, "//…@");
  return JSON.stringify(safe.length > LONGEST_ECHO ? `${safe.slice(0, LONGEST_ECHO)}…` : safe);
}
