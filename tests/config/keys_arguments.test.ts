import { expect, test } from "bun:test";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "../../src/config/exit_codes.ts";
import { CommandError, parseCommand } from "../../src/config/parse.ts";

const parse = (line: string, env = {}) => parseCommand(line.split(" "), env, () => "");

function refusal(line: string, env = {}): [code: number, ...problems: string[]] {
  try {
    parse(line, env);
  } catch (error) {
    if (error instanceof CommandError) return [error.exitCode, ...error.problems];
  }
  throw new Error("it was understood");
}

test("the words and flags of keys are its own, all others are settings", () => {
  const line = "keys create --scopes=jobs:read,admin --name shop --data-dir=/data --expires 30d --no-migrate";
  expect(parse(line)).toMatchObject({
    command: "keys",
    keys: { words: ["create"], flags: { scopes: "jobs:read,admin", name: "shop", expires: "30d" } },
    settings: { dataDir: "/data", migrate: false },
  });
});

test("the queues of a key are no queues to work on", () => {
  const command = parse("keys create --scopes=jobs:work --queues=mail,post --kinds letter");
  const flags = { scopes: "jobs:work", queues: "mail,post", kinds: "letter" };
  expect(command).toMatchObject({ command: "keys", keys: { flags } });
  expect(command).not.toHaveProperty("settings.queues");
  expect(parse("--queues=mail:3", {})).toMatchObject({ settings: { queues: [{ name: "mail", slots: 3 }] } });
});

test("settings may stand before it, and come from the environment too", () => {
  const env = { DATABASE_URL: "postgres://ada@db/jobs" };
  expect(parse("--log-level debug keys revoke x", env)).toMatchObject({
    command: "keys",
    keys: { words: ["revoke", "x"], flags: {} },
    settings: { logLevel: "debug", databaseUrl: env.DATABASE_URL },
  });
});

test("help and version win, as everywhere", () => {
  expect(parse("keys create --help")).toEqual({ command: "help" });
  expect(parse("keys --version")).toEqual({ command: "version" });
});

test("what is wrong is said together", () => {
  expect(refusal("keys create --scopes=a --scopes=b --prot=1 --name", { PORT: "x" })).toEqual([
    EXIT_USAGE,
    "--scopes: given more than once",
    "--name: needs a value",
    "--prot: unknown flag, did you mean --port?",
    'PORT: must be a whole number from 0 to 65535, not "x"',
  ]);
  expect(refusal("keys list", { PORT: "x" })[0]).toBe(EXIT_CONFIGURATION);
});

test("its flags belong to it alone, and it is one command of several", () => {
  expect(refusal("--scopes=admin")[0]).toBe(EXIT_USAGE);
  expect(refusal("serve keys")).toEqual([EXIT_USAGE, "one command at a time, not serve and keys"]);
  expect(refusal("kees list")[1]).toBe("kees: unknown command, did you mean keys?");
});
