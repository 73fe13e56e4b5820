import { parseKey } from "../access/key.ts";
import { type KeyFault, keyFaults } from "../access/key_faults.ts";
import type { NewKey } from "../access/keys.ts";
import { isScope, SCOPES } from "../access/scopes.ts";
import { EXIT_USAGE } from "../config/exit_codes.ts";
import type { KeysArguments, KeysFlag } from "../config/keys_arguments.ts";
import { CommandError } from "../config/parse.ts";
import { NAME_PATTERN } from "../job/job.ts";

export type KeysAction =
  | { action: "create"; key: NewKey }
  | { action: "list" }
  | { action: "revoke"; id: string };

const FLAGS: Record<KeyFault["member"], string> = {
  userId: "--user-id",
  queues: "--queues",
  kinds: "--kinds",
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DURATION = /^(\d{1,5})([mhd])$/;
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 };
/** A day, or a moment with its zone: without one it would be another moment on every machine. */
const MOMENT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;
const LONGEST_NAME = 100;
const NAME = new RegExp(NAME_PATTERN);

/** What `jobsvc keys …` is to do; throws a CommandError that names everything that is wrong. */
export function readKeysAction({ words, flags }: KeysArguments): KeysAction {
  const problems: string[] = [];
  const [verb, ...more] = words;

  /** Answers `fallback` for what was not said, and for what was said wrong, which is a problem. */
  function read<Value>(
    flag: KeysFlag,
    expected: string,
    fallback: Value,
    parse: (text: string) => Value | undefined,
  ) {
    const text = flags[flag];
    if (text === undefined) return fallback;
    const value = parse(text);
    if (value === undefined) problems.push(`--${flag}: must be ${expected}`);
    return value ?? fallback;
  }

  function create(): KeysAction {
    const scopes = read("scopes", `some of ${SCOPES.join(", ")}, separated by commas`, [], scopesOf);
    if (flags.scopes === undefined)
      problems.push("--scopes: say what the key may do, such as --scopes=jobs:write");
    const name = read("name", `1 to ${LONGEST_NAME} characters`, "unnamed", nameOf);
    const userId = read("user-id", "a UUID", null, (text) => (UUID.test(text) ? text : undefined));
    const queues = read("queues", "names of queues, separated by commas", null, namesOf);
    const kinds = read("kinds", "names of kinds, separated by commas", null, namesOf);
    const expires = read("expires", "a time from now (90d, 12h, 30m) or a date", null, expiryOf);
    const key: NewKey = { name, scopes, userId, takes: { queues, kinds }, expires };
    for (const { member, detail } of keyFaults(key)) problems.push(`${FLAGS[member]}: ${detail}`);
    if (more.length > 0) problems.push("keys create: takes flags only");
    return { action: "create", key };
  }

  function revoke(): KeysAction {
    const id = idOf(more[0] ?? "");
    if (id === undefined || more.length !== 1)
      problems.push("keys revoke: needs the id of one key, as keys list shows it");
    return { action: "revoke", id: id ?? "" };
  }

  function list(): KeysAction {
    if (more.length > 0) problems.push("keys list: takes nothing more");
    return { action: "list" };
  }

  const verbs: Record<string, () => KeysAction> = { create, list, revoke };
  const known = verb !== undefined && Object.hasOwn(verbs, verb);
  if (known && verb !== "create")
    for (const flag of Object.keys(flags)) problems.push(`--${flag}: belongs to keys create`);
  const action = known ? verbs[verb]!() : list();
  if (!known) problems.splice(0, problems.length, "keys: say create, list or revoke");
  if (problems.length > 0) throw new CommandError(problems, EXIT_USAGE);
  return action;
}

function scopesOf(text: string) {
  const scopes = text.split(",").map((scope) => scope.trim());
  return scopes.every(isScope) ? [...new Set(scopes)] : undefined;
}

function namesOf(text: string): string[] | undefined {
  const names = text.split(",").map((name) => name.trim());
  return names.every((name) => NAME.test(name)) ? [...new Set(names)] : undefined;
}

function nameOf(text: string): string | undefined {
  return text !== "" && text.length <= LONGEST_NAME && text.isWellFormed() ? text : undefined;
}

function expiryOf(text: string): NewKey["expires"] | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  if (unit) return { inMs: Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS] };
  const at = new Date(text);
  return MOMENT.test(text) && !Number.isNaN(at.getTime()) ? { at } : undefined;
}

/** Who pastes the whole key means its id. */
function idOf(text: string): string | undefined {
  return UUID.test(text) ? text : parseKey(text)?.id;
}
