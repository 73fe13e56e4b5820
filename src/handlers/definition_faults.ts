import { TypeGuard } from "@sinclair/typebox";
import { MAX_RETRIES_LIMIT, NAME_PATTERN } from "../job/job.ts";
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
/** A retry after more than a year is a slip of the keyboard. */
const LONGEST_DELAY_MS = 365 * 24 * 60 * 60 * 1000;
const MOST_DELAYS = 100;

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
  if (typeof value === "function") return undefined;
  const policy = isPlainObject(value) ? value : {};
  const { type, ...more } = policy;
  const delays: unknown[] =
    type === "fixed" ? [more.delayMs] : type === "list" && Array.isArray(more.delaysMs) ? more.delaysMs : [];
  const members = { exponential: "", fixed: "delayMs", list: "delaysMs" }[String(type)];
  if (members === undefined || Object.keys(more).join() !== members)
    return 'must be a function, { type: "exponential" }, { type: "fixed", delayMs } or { type: "list", delaysMs: […] }';
  if (type === "list" && (delays.length < 1 || delays.length > MOST_DELAYS))
    return `must have 1 to ${MOST_DELAYS} delaysMs`;
  if (!delays.every((delay) => isWhole(delay, 0, LONGEST_DELAY_MS)))
    return `must have delays in whole milliseconds from 0 to ${LONGEST_DELAY_MS}`;
  return undefined;
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
