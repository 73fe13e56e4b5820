import { parseArgs } from "node:util";
import type { Given } from "./environment.ts";
import { flagOf, settingOfFlag } from "./names.ts";
import { nearest } from "./nearest.ts";
import { SETTING_ROWS, type SettingKey } from "./settings.ts";

export const COMMANDS = [
  "serve",
  "migrate",
  "keys",
  "agents",
  "handlers",
  "selftest",
  "healthcheck",
  "help",
  "version",
] as const;

/** These take words of their own, which they judge themselves. */
const WITH_WORDS: readonly (CommandName | undefined)[] = ["agents", "handlers"];

export type CommandName = (typeof COMMANDS)[number];

export interface Arguments {
  command: CommandName;
  /** What follows a command that takes words. */
  words: string[];
  given: Map<SettingKey, Given>;
  problems: string[];
}

/** No command is this long; a longer word may be a key or a password in the wrong place, and is not repeated. */
const LONGEST_ECHO = 15;

/** Takes the command line apart, and goes on after a mistake so that all of them are told at once. */
export function readArguments(argv: readonly string[]): Arguments {
  const given = new Map<SettingKey, Given>();
  const problems: string[] = [];
  const named: CommandName[] = [];
  const words: string[] = [];
  let strayValueAt = -1;

  function positional(word: string, index: number) {
    const command = COMMANDS.find((name) => name === word);
    if (WITH_WORDS.includes(named[0])) words.push(word);
    else if (command) named.push(command);
    // What follows an unknown flag is most likely its value: one complaint is enough.
    else if (index !== strayValueAt) problems.push(unknown("command", word, COMMANDS));
  }

  function option(flag: string, value: string | undefined, index: number) {
    if (flag === "--help" || flag === "-h") return void named.push("help");
    if (flag === "--version" || flag === "-v") return void named.push("version");
    const negated = flag.startsWith("--no-") ? settingOfFlag(`--${flag.slice("--no-".length)}`) : undefined;
    const [key, setting] = (negated?.[1].type === "boolean" ? negated : settingOfFlag(flag)) ?? [];
    if (!key || !setting) {
      problems.push(unknown("flag", flag, FLAGS));
      strayValueAt = index + 1;
      return;
    }
    const text = setting.type !== "boolean" || value !== undefined ? value : String(!negated);
    if (text === undefined || (negated && value !== undefined))
      problems.push(negated ? `${flag}: takes no value` : `${flag}: needs a value`);
    else if (given.has(key)) problems.push(`${flagOf(key)}: given more than once`);
    else given.set(key, { source: flag, text });
  }

  const { tokens } = parseArgs({ args: [...argv], options: OPTIONS, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") positional(token.value, token.index);
    if (token.kind === "option") option(token.rawName, token.value, token.index);
  }
  const asksForWords = named.find((name) => name === "help" || name === "version");
  if (named.length > 1 && !asksForWords) problems.push(`one command at a time, not ${named.join(" and ")}`);
  return { command: asksForWords ?? named[0] ?? "serve", words, given, problems };
}

const FLAGS = [...SETTING_ROWS.map(([key]) => flagOf(key)), "--no-migrate", "--help", "--version"];

/** As `parseArgs` wants to know them. */
export const OPTIONS = Object.fromEntries(
  SETTING_ROWS.map(([key, setting]) => [
    flagOf(key).slice("--".length),
    { type: setting.type === "boolean" ? ("boolean" as const) : ("string" as const) },
  ]),
);

function unknown(what: string, word: string, known: readonly string[]): string {
  if (what === "command" && word.length > LONGEST_ECHO) return `unknown ${what}`;
  const meant = nearest(word, known);
  return `${word}: unknown ${what}${meant ? `, did you mean ${meant}?` : ""}`;
}
