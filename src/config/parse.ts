import { type CommandName, readArguments } from "./arguments.ts";
import { contradictions } from "./checks.ts";
import { defaultDataDir } from "./data_dir.ts";
import { type Environment, type Given, type ReadFile, readEnvironment } from "./environment.ts";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "./exit_codes.ts";
import { type KeysArguments, splitKeysArguments } from "./keys_arguments.ts";
import { SETTING_ROWS, type SettingKey, type Settings } from "./settings.ts";
import { readValue } from "./values.ts";

/** What to do. Help and version need no settings, and must work when those are wrong. */
export type Command =
  | { command: "help" | "version" }
  | { command: "keys"; keys: KeysArguments; settings: Settings }
  | { command: "agents" | "handlers"; words: string[]; settings: Settings }
  | {
      command: Exclude<CommandName, "help" | "version" | "keys" | "agents" | "handlers">;
      settings: Settings;
    };

/** Everything that is wrong with the command line and the environment, in one message. */
export class CommandError extends Error {
  override name = "CommandError";

  constructor(
    readonly problems: readonly string[],
    readonly exitCode: typeof EXIT_USAGE | typeof EXIT_CONFIGURATION,
  ) {
    super(
      ["jobsvc cannot start:", ...problems.map((problem) => `  ${problem}`), "See jobsvc --help."].join("\n"),
    );
  }
}

/** Flags beat the environment, which beats the defaults. Pure: the environment and the files are handed in. */
export function parseCommand(argv: readonly string[], env: Environment, readFile: ReadFile): Command {
  const split = splitKeysArguments(argv);
  const line = readArguments(split?.rest ?? argv);
  const command = split && line.command === "serve" ? "keys" : line.command;
  if (command === "help" || command === "version") return { command };

  const environment = readEnvironment(env, readFile);
  const values = readValues(new Map([...environment.given, ...line.given]), env);
  const wrong = [...environment.problems, ...values.problems];
  if (wrong.length === 0) wrong.push(...contradictions(values.settings));

  const misused = [...(split?.problems ?? []), ...line.problems];
  if (misused.length > 0) throw new CommandError([...misused, ...wrong], EXIT_USAGE);
  if (wrong.length > 0) throw new CommandError(wrong, EXIT_CONFIGURATION);
  const { settings } = values;
  if (command === "agents" || command === "handlers") return { command, words: line.words, settings };
  if (command !== "keys") return { command, settings };
  return { command, keys: split?.keys ?? { words: [], flags: {} }, settings };
}

/** Whole only when there are no problems. */
function readValues(given: ReadonlyMap<SettingKey, Given>, env: Environment) {
  const settings: Record<string, unknown> = { dataDir: defaultDataDir(env) };
  const problems: string[] = [];
  for (const [key, setting] of SETTING_ROWS) {
    const text = given.get(key);
    try {
      if (text) settings[key] = readValue(setting, text);
      else if (setting.default !== undefined) settings[key] = structuredClone(setting.default);
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { settings: settings as Settings, problems };
}
