import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "../../src/config/exit_codes.ts";
import { CommandError, parseCommand } from "../../src/config/parse.ts";
import type { Settings } from "../../src/config/settings.ts";

const KEY = "0123456789abcdef";

test("without flags and variables, everything runs on loopback with the documented defaults", () => {
  expect(parse([], { HOME: "/home/ada" })).toEqual({
    command: "serve",
    settings: {
      role: "all",
      host: "127.0.0.1",
      port: 8082,
      dataDir: "/home/ada/.local/share/jobsvc",
      apiKeys: [],
      enqueuePerMinute: 60_000,
      readPerMinute: 60_000,
      workPerMinute: 120_000,
      managePerMinute: 6_000,
      handlers: [],
      watch: false,
      handlerThreads: 10,
      graceMs: 30_000,
      workerTtlMs: 15_000,
      pollIntervalMs: 1_000,
      jobTimeoutMs: 1_800_000,
      maxLosses: 3,
      databaseConnections: 6,
      databasePrepare: true,
      logLevel: "info",
      logFormat: "auto",
      unregisteredAgents: "simulate",
      aiAgentSimulationMs: 2_000,
      clientAgentSimulationMs: 1_000,
      secretsKeys: [],
      outboundHttp: false,
      outboundPorts: [443],
      outboundAllow: [],
      retentionCompletedHours: 24,
      retentionCancelledHours: 24,
      retentionFailedHours: 168,
      migrate: true,
    },
  });
});

test("a default is not shared between two calls", () => {
  settings([]).outboundPorts.push(8443);
  expect(settings([]).outboundPorts).toEqual([443]);
});

describe("commands", () => {
  test("are named by the first word, before or after the flags", () => {
    expect(parse(["migrate"]).command).toBe("migrate");
    expect(parse(["--port=1", "healthcheck"]).command).toBe("healthcheck");
    expect(parse(["serve"]).command).toBe("serve");
  });

  test("help and version work even when everything else is wrong", () => {
    const wrong = ["--port=abc", "--what"];
    for (const ask of ["--help", "-h", "help"])
      expect(parse([...wrong, ask], { JOBSVC_X: "1" })).toEqual({ command: "help" });
    for (const ask of ["--version", "-v", "version"])
      expect(parse([...wrong, ask], { ROLE: "x" })).toEqual({ command: "version" });
  });

  test("what follows handlers belongs to it, though it be the name of another", () => {
    expect(parse(["--handlers=a,b", "handlers", "init", "serve"])).toMatchObject({
      command: "handlers",
      words: ["init", "serve"],
      settings: { handlers: ["a", "b"] },
    });
    expect(parse(["handlers", "check", "--help"])).toEqual({ command: "help" });
    expect(refusal(["serve", "handlers"])[1]).toContain("one command at a time");
    expect(refusal(["handlers", "check", "--port=x"])[0]).toBe(EXIT_CONFIGURATION);
  });

  test("what follows agents belongs to it, too", () => {
    expect(parse(["agents", "rotate-secrets", "--port=1"])).toMatchObject({
      command: "agents",
      words: ["rotate-secrets"],
      settings: { port: 1 },
    });
    expect(refusal(["rotate-secrets"])[0]).toBe(EXIT_USAGE);
  });

  test("an unknown one, or two at once, are usage errors", () => {
    expect(refusal(["migrat"])).toEqual([EXIT_USAGE, "migrat: unknown command, did you mean migrate?"]);
    expect(refusal(["migrate", "serve"])[1]).toContain("one command at a time");
  });
});

describe("where a setting comes from", () => {
  test("a flag beats our variable, which beats a platform's, which beats the default", () => {
    expect(settings([], { PORT: "1" }).port).toBe(1);
    expect(settings([], { PORT: "1", JOBSVC_PORT: "2" }).port).toBe(2);
    expect(settings(["--port", "3"], { PORT: "1", JOBSVC_PORT: "2" }).port).toBe(3);
    expect(settings([], { DATABASE_URL: "postgres://h/d", ROLE: "api" })).toMatchObject({
      databaseUrl: "postgres://h/d",
      role: "api",
    });
  });

  test("a flag takes its value with a space or an equals sign, whatever it begins with", () => {
    expect(settings(["--log-level", "warn"]).logLevel).toBe("warn");
    expect(settings(["--log-level=warn"]).logLevel).toBe("warn");
    expect(settings(["--data-dir=a=b"]).dataDir).toBe("a=b");
    expect(refusal(["--port", "-1"])).toEqual([
      EXIT_CONFIGURATION,
      '--port: must be a whole number from 0 to 65535, not "-1"',
    ]);
  });

  test("a switch is turned by its name, by its negation or by a word", () => {
    expect(settings(["--no-migrate"]).migrate).toBe(false);
    expect(settings(["--migrate=false"]).migrate).toBe(false);
    expect(settings(["--migrate"], { JOBSVC_MIGRATE: "false" }).migrate).toBe(true);
    expect(settings([], { JOBSVC_DATABASE_PREPARE: "false" }).databasePrepare).toBe(false);
    expect(refusal(["--no-migrate=true"])[1]).toBe("--no-migrate: takes no value");
    expect(refusal(["--no-port"])[0]).toBe(EXIT_USAGE);
  });

  test("a flag without its value, or given twice, is a usage error", () => {
    expect(refusal(["--port"])).toEqual([EXIT_USAGE, "--port: needs a value"]);
    expect(refusal(["--port=1", "--port=2"])).toEqual([EXIT_USAGE, "--port: given more than once"]);
    expect(refusal(["--migrate", "--no-migrate"])[1]).toBe("--migrate: given more than once");
  });
});

describe("values", () => {
  test("queues are names and slots; a name may hold a colon", () => {
    expect(settings(["--queues=default:50, mail:eu:5"]).queues).toEqual([
      { name: "default", slots: 50 },
      { name: "mail:eu", slots: 5 },
    ]);
    for (const wrong of [
      "default",
      "default:",
      ":5",
      "a:0",
      "a:10001",
      "a:1.5",
      "a b:1",
      "a:1,",
      ",",
      "a:-1",
    ])
      expect(refusal([`--queues=${wrong}`])[1]).toStartWith("--queues: must be name:slots");
    expect(refusal(["--queues=a:1,b:1,a:2"])[1]).toBe("--queues: names a twice");
    expect(refusal(["--watch"])).toEqual([
      EXIT_CONFIGURATION,
      "--watch: needs --handlers, the folders to watch",
    ]);
  });

  test("keys are separated by commas or, in a file, by lines", () => {
    expect(settings([], { JOBSVC_API_KEYS: `${KEY},${KEY}2` }).apiKeys).toEqual([KEY, `${KEY}2`]);
    const env = { JOBSVC_API_KEYS_FILE: "/keys" };
    expect(settings([], env, { "/keys": `${KEY}\r\n${KEY}2\n` }).apiKeys).toEqual([KEY, `${KEY}2`]);
  });

  test("numbers are whole, within their limits, and nothing else", () => {
    for (const wrong of ["1.5", "1e3", "0x10", " 1", "1 ", "", "٣", "99999999999999999999", "NaN"])
      expect(refusal([`--poll-interval-ms=${wrong}`])[0]).toBe(EXIT_CONFIGURATION);
    // A timer that is asked for more fires at once.
    expect(settings(["--grace-ms=2147483647"]).graceMs).toBe(2_147_483_647);
    expect(refusal(["--grace-ms=2147483648"])[0]).toBe(EXIT_CONFIGURATION);
    for (const low of [
      "--worker-ttl-ms=999",
      "--poll-interval-ms=9",
      "--database-connections=1",
      "--max-losses=0",
    ])
      expect(refusal([low])[0]).toBe(EXIT_CONFIGURATION);
    expect(settings(["--port=0"]).port).toBe(0);
  });

  test("words are those of the list", () => {
    expect(refusal(["--role=web"])).toEqual([
      EXIT_CONFIGURATION,
      '--role: must be all, api or worker, not "web"',
    ]);
    expect(refusal([], { JOBSVC_LOG_LEVEL: "INFO" })[0]).toBe(EXIT_CONFIGURATION);
  });

  test("an empty variable is an error: a secret that was not filled in must not start another database", () => {
    expect(refusal([], { DATABASE_URL: "" })).toEqual([
      EXIT_CONFIGURATION,
      "DATABASE_URL: is empty; leave it out or give it a value",
    ]);
  });
});

describe("complaints", () => {
  test("name every mistake together", () => {
    const error = thrown(["--prot=1", "--role=web"], {
      JOBSVC_QUEUEZ: "a:1",
      JOBSVC_API_KEYS: "short",
      PORT: "x",
    });
    expect(error.exitCode).toBe(EXIT_USAGE);
    expect(error.problems).toEqual([
      "--prot: unknown flag, did you mean --port?",
      "JOBSVC_QUEUEZ: unknown variable, did you mean JOBSVC_QUEUES?",
      '--role: must be all, api or worker, not "web"',
      'PORT: must be a whole number from 0 to 65535, not "x"',
      "JOBSVC_API_KEYS: must be keys of at least 16 printable characters, separated by commas",
    ]);
    for (const problem of error.problems) expect(error.message).toContain(problem);
  });

  test("name networks that are none", () => {
    expect(settings(["--outbound-allow=10.1.0.0/16,fd00::/8"]).outboundAllow).toEqual([
      "10.1.0.0/16",
      "fd00::/8",
    ]);
    for (const network of ["10.1.0.0/33", "999.1.0.0/16", "1::2::3/64", "10.1/16"])
      expect(refusal([`--outbound-allow=127.0.0.0/8,${network}`])).toEqual([
        EXIT_CONFIGURATION,
        `--outbound-allow: no network is called ${network}`,
      ]);
    expect(refusal(["--outbound-allow=10.1.0.1"])[0]).toBe(EXIT_CONFIGURATION);
  });

  test("guess what a flag was meant to be", () => {
    for (const [typed, meant] of [
      ["--pollIntervalMs", "--poll-interval-ms"],
      ["--poll-interval", "--poll-interval-ms"],
      ["--api_keys", "--api-keys"],
      ["--no-migrat", "--no-migrate"],
      ["--halp", "--help"],
    ])
      expect(refusal([`${typed}=1`])[1]).toBe(`${typed}: unknown flag, did you mean ${meant}?`);
    expect(refusal(["--something-else"])[1]).toBe("--something-else: unknown flag");
    expect(refusal(["-p"])[1]).toBe("-p: unknown flag");
  });

  test("never repeat a secret, wherever it was put", () => {
    const secret = "hunter2-hunter2-hunter2";
    const url = `postgres://ada:${secret}@db/jobs`;
    const attempts: [string[], Record<string, string>][] = [
      [[`--database-url=mysql://ada:${secret}@db`], {}],
      [["--databaseurl", url], {}],
      [[url], {}],
      [[secret], {}],
      [[`--host=${url}`], {}],
      [[`--api-keys=${secret} with blanks`], {}],
      [[], { DATABASE_URL: `jdbc:${url}`, JOBSVC_API_KEYS: `${secret},short`, JOBSVC_API_KEY: secret }],
    ];
    for (const [argv, env] of attempts) expect(thrown(argv, env).message).not.toContain(secret);
  });

  test("come for any command line, and nothing else is thrown", () => {
    const word = fc.oneof(
      fc.constantFrom(
        "--port",
        "--migrate",
        "--no-migrate",
        "--queues",
        "--",
        "-h",
        "serve",
        "=",
        "--=",
        "--port=",
      ),
      fc.string({ unit: "binary" }),
      fc.string().map((text) => `--${text}`),
    );
    const env = fc.dictionary(
      fc.oneof(
        fc.constantFrom("JOBSVC_PORT", "JOBSVC_API_KEYS_FILE", "PORT", "HOME", "__proto__"),
        fc.string(),
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(word), env, (argv, variables) => {
        try {
          parse(argv, variables);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
        }
      }),
    );
  });
});

function parse(argv: string[], env: Record<string, string> = {}, files: Record<string, string> = {}) {
  return parseCommand(argv, env, (path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return text;
  });
}

function settings(argv: string[], env?: Record<string, string>, files?: Record<string, string>): Settings {
  const command = parse(argv, env, files);
  if (!("settings" in command)) throw new Error(`${command.command} has no settings`);
  return command.settings;
}

function thrown(argv: string[], env?: Record<string, string>): CommandError {
  try {
    parse(argv, env);
  } catch (error) {
    if (error instanceof CommandError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The exit code and the first thing that is wrong. */
function refusal(argv: string[], env?: Record<string, string>): [number, string] {
  const error = thrown(argv, env);
  return [error.exitCode, error.problems[0] ?? ""];
}
