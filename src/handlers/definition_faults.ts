import { type TProperties, Type, TypeGuard } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { MAX_RETRIES_LIMIT, NAME_PATTERN } from "../job/job.ts";
import { MAX_WISHED_DELAY_MS } from "../job/retry.ts";
import { payloadFault } from "./payload_fault.ts";

export interface DefinitionFault {
  /** The member of the definition that is wrong; undefined when it is the whole. */
  member?: string;
  fault: string;
}

/** Answers what is wrong with a member's value, or undefined. */
type Rule = (value: unknown) => string | undefined;

/** The longest time that a timer can count, 25 days. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
const MOST_DELAYS = 100;

const Delay = Type.Integer({ minimum: 0, maximum: MAX_WISHED_DELAY_MS });
const Policy = Type.Union([
  policy("exponential", { firstMs: Type.Optional(Delay), maxMs: Type.Optional(Delay) }),
  policy("fixed", { delayMs: Delay }),
  policy("list", { delaysMs: Type.Array(Delay, { minItems: 1, maxItems: MOST_DELAYS }) }),
]);

const REQUIRED: Record<string, Rule> = {
  kind: name,
  payload: (value) => (TypeGuard.IsSchema(value) ? payloadFault(value) : "must be a schema made with Type"),
  run: (value) => (typeof value === "function" ? undefined : "must be a function"),
};

const OPTIONAL: Record<string, Rule> = {
  queue: name,
  timeoutMs: wholeNumber(1, LONGEST_TIMEOUT_MS),
  maxAttempts: wholeNumber(1, MAX_RETRIES_LIMIT + 1),
  retry,
  onLost: (value) => (value === "retry" || value === "fail" ? undefined : 'must be "retry" or "fail"'),
  thread: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
};

const MEMBERS = { ...REQUIRED, ...OPTIONAL };

/** Everything that is wrong with the default export of a handler's file. */
export function definitionFaults(module: Record<string, unknown>): DefinitionFault[] {
  if (!("default" in module))
    return [{ fault: "has no default export; a file that is no handler belongs into a subfolder" }];
  if (!isPlainObject(module.default)) return [{ fault: "the default export must be a job of defineJob" }];

  const definition = new Map(Object.entries(module.default).filter(([, value]) => value !== undefined));
  const missing = Object.keys(REQUIRED)
    .filter((member) => !definition.has(member))
    .map((member) => ({ fault: `${member} is missing` }));
  const wrong = [...definition].flatMap(([member, value]) => {
    const rule = Object.hasOwn(MEMBERS, member) ? MEMBERS[member] : unknownMember;
    const fault = rule?.(value);
    return fault === undefined ? [] : [{ member, fault: `${member} ${fault}` }];
  });
  return [...missing, ...wrong];
}

function unknownMember(): string {
  return `is no member of a job; those are ${Object.keys(MEMBERS).join(", ")}`;
}

function name(value: unknown): string | undefined {
  if (typeof value === "string" && new RegExp(NAME_PATTERN).test(value)) return undefined;
  return "must be 1 to 64 letters, digits, dots, colons, hyphens or underscores, with a letter or digit first";
}

function wholeNumber(least: number, most: number): Rule {
  return (value) =>
    isWhole(value, least, most) ? undefined : `must be a whole number from ${least} to ${most}`;
}

function retry(value: unknown): string | undefined {
  if (typeof value === "function" || Value.Check(Policy, value)) return undefined;
  return [
    'must be a function, { type: "exponential" } with firstMs and maxMs as you like, { type: "fixed", delayMs } or',
    `{ type: "list", delaysMs } with 1 to ${MOST_DELAYS} of them; delays are whole milliseconds up to ${MAX_WISHED_DELAY_MS}`,
  ].join(" ");
}

function policy(type: string, members: TProperties) {
  return Type.Object({ type: Type.Literal(type), ...members }, { additionalProperties: false });
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
