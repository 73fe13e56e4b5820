import { readFileSync } from "node:fs";
import { version } from "../package.json";
import type { Printer } from "./commands/printer.ts";
import { EXIT_INTERNAL, EXIT_OK, EXIT_UNAVAILABLE } from "./config/exit_codes.ts";
import { helpText } from "./config/help.ts";
import { type Command, CommandError, parseCommand } from "./config/parse.ts";
import type { Settings } from "./config/settings.ts";
import { stopSignal } from "./lifecycle/signals.ts";
import { endWithParent, hasty, WATCHED_BY } from "./watch/watched.ts";

// Before anything else: as process 1 a signal without a handler is ignored by the kernel.
const stopping = stopSignal();
process.exitCode = await run();
process.exit();

/** Answers the exit code. What a command needs is loaded by that command: `--version` must not wait for the rest. */
async function run(): Promise<number> {
  const command = parse();
  switch (command?.command) {
    case undefined:
      return process.exitCode as number;
    case "version":
      return print(version);
    case "help":
      return print(helpText());
    case "healthcheck":
      return await checkHealth(command.settings);
    case "keys":
      return await forPeople("keys", async (printer) => {
        const { keysCommand } = await import("./commands/keys.ts");
        await keysCommand(command.keys, command.settings, printer);
      });
    case "agents":
      return await forPeople("agents", async (printer) => {
        const { agentsCommand } = await import("./commands/agents.ts");
        await agentsCommand(command.words, command.settings, printer);
      });
    case "handlers":
      return await forPeople("handlers", async (printer) => {
        const { handlersCommand } = await import("./commands/handlers.ts");
        await handlersCommand(command.words, command.settings, printer);
      });
    case "selftest":
      return await forPeople("selftest", async (printer) => {
        const { selftest } = await import("./commands/selftest.ts");
        await selftest({ settings: command.settings, printer, program: program() });
      });
    case "serve":
      return command.settings.watch
        ? await watchHandlers(command.settings)
        : await withLog("serve", command.settings);
    case "migrate":
      return await withLog("migrate", command.settings);
  }
}

function parse(): Command | undefined {
  try {
    return parseCommand(process.argv.slice(2), process.env, (path) => readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
    return undefined;
  }
}

async function checkHealth(settings: Settings): Promise<number> {
  const { healthcheck } = await import("./commands/healthcheck.ts");
  const problem = await healthcheck(settings);
  if (problem === null) return EXIT_OK;
  console.error(problem);
  return EXIT_UNAVAILABLE;
}

/** A command for people and scripts, not a service: it has no log, and says what went wrong in a line. */
async function forPeople(name: string, command: (printer: Printer) => Promise<void>): Promise<number> {
  try {
    await command({ data: console.log, note: console.error });
    return EXIT_OK;
  } catch (error) {
    const { exitCodeOf } = await import("./serve.ts");
    const { loggedError } = await import("./observability/error.ts");
    console.error(
      error instanceof CommandError
        ? error.problems.join("\n")
        : `jobsvc ${name}: ${loggedError(error).message}`,
    );
    return exitCodeOf(error);
  }
}

/** What starts this program once more. */
function program(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, process.argv[1]!];
}

/** In development: the same command line without the wish to watch, in a process of its own. */
async function watchHandlers({ handlers }: Settings): Promise<number> {
  const { watch } = await import("./watch/watch.ts");
  const others = process.argv.slice(2).filter((word) => !/^--watch(=|$)/.test(word));
  const command = [...program(), ...others, "--no-watch"];
  return await watch({
    folders: handlers,
    command,
    env: process.env,
    stopSignal: stopping,
    say: console.error,
  });
}

async function withLog(command: "migrate" | "serve", settings: Settings): Promise<number> {
  const { createLog } = await import("./observability/log.ts");
  const { exitCodeOf, migrateOnly, serve } = await import("./serve.ts");
  const { banner } = await import("./banner.ts");
  const log = createLog({
    level: settings.logLevel,
    format: settings.logFormat,
    isTerminal: process.stdout.isTTY === true,
    color: !process.env.NO_COLOR,
    version,
    role: settings.role,
  });
  // Bun would go on after some errors that nobody caught, as a process that looks alive and does nothing.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error) => {
      log.emit("step.failed", { step: event, error });
      log.close();
      process.exit(EXIT_INTERNAL);
    });
  }
  try {
    if (command === "migrate") await migrateOnly(settings, log.emit);
    else {
      const watchedBy = process.env[WATCHED_BY];
      if (watchedBy) endWithParent(Number(watchedBy));
      const onRunning = (running: Parameters<typeof banner>[0]) => console.error(banner(running));
      await serve({
        settings: watchedBy ? hasty(settings) : settings,
        emit: log.emit,
        version,
        stopSignal: stopping,
        onRunning,
      });
    }
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommandError) console.error(error.message);
    else log.emit("process.failed", { error });
    return exitCodeOf(error);
  } finally {
    log.close();
  }
}

function print(text: string): number {
  console.log(text);
  return EXIT_OK;
}
