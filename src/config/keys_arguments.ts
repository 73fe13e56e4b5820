import { parseArgs } from "node:util";
import { OPTIONS } from "./arguments.ts";

/** `jobsvc keys …`: what belongs to this command alone. Its words and values are judged by the command itself. */
export interface KeysArguments {
  words: string[];
  flags: Partial<Record<KeysFlag, string>>;
}

/**
 * Here `--queues` are those of the key, not the setting of that name: this command works on no queue. They stand behind
 * the word `keys`, so there is no telling them apart wrongly.
 */
export const KEYS_FLAGS = ["scopes", "name", "user-id", "queues", "kinds", "expires"] as const;

export type KeysFlag = (typeof KEYS_FLAGS)[number];

export interface SplitArguments {
  keys: KeysArguments;
  /** The command line without them: settings, as for every command. */
  rest: string[];
  problems: string[];
}

/** Undefined for every other command. */
export function splitKeysArguments(argv: readonly string[]): SplitArguments | undefined {
  const own = Object.fromEntries(KEYS_FLAGS.map((flag) => [flag, { type: "string" as const }]));
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...OPTIONS, ...own },
    strict: false,
    tokens: true,
  });
  const [command, ...words] = tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : []));
  if (command !== "keys") return undefined;

  const flags: KeysArguments["flags"] = {};
  const rest: string[] = [];
  const problems: string[] = [];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const flag = KEYS_FLAGS.find((name) => name === token.name);
    if (!flag) rest.push(token.value === undefined ? token.rawName : `${token.rawName}=${token.value}`);
    else if (token.value === undefined) problems.push(`--${flag}: needs a value`);
    else if (flag in flags) problems.push(`--${flag}: given more than once`);
    else flags[flag] = token.value;
  }
  return { keys: { words, flags }, rest, problems };
}
