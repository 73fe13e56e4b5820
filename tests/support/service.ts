import { afterAll, onTestFinished } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.ts";

export interface LaunchOptions {
  /** What is started; the sources when left out. */
  command?: readonly string[];
  args?: readonly string[];
  /** On top of a bare environment: nothing of the test's own reaches the service. */
  env?: Record<string, string>;
  cwd?: string;
  /** It is killed when the test is over, or when the whole file is. */
  lives?: "test" | "file";
}

/** One line of the log. */
export interface LogLine {
  event: string;
  level: string;
  [field: string]: unknown;
}

/** A process of the service, as whoever started it sees it. */
export interface Launched {
  pid: number;
  stdout(): string;
  stderr(): string;
  log(): LogLine[];
  /** Waits for a line of the log that has been written, or will be. */
  logged(event: string, fits?: (line: LogLine) => boolean): Promise<LogLine>;
  signal(name: NodeJS.Signals): void;
  /** The exit code, once it has ended and everything it said has been read. */
  ended: Promise<number>;
}

export interface Service extends Launched {
  /** Where its API answers; empty for a process without one. */
  url: string;
}

/** Starts the program and does not wait. */
export function launch(options: LaunchOptions = {}): Launched {
  const { command = FROM_SOURCE, args = [], env = {}, cwd = tmpdir(), lives = "test" } = options;
  const child = Bun.spawn([...command, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: tmpdir(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  const read = Promise.all((["stdout", "stderr"] as const).map(listen));
  (lives === "test" ? onTestFinished : afterAll)(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });

  async function listen(stream: "stdout" | "stderr") {
    const decoder = new TextDecoder();
    for await (const bytes of child[stream]) output[stream] += decoder.decode(bytes, { stream: true });
  }

  const log = () => completeLines(output.stdout).map((line) => JSON.parse(line) as LogLine);
  return {
    pid: child.pid,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    log,
    logged: (event, fits = () => true) =>
      until(`the log line ${event}`, () => log().find((line) => line.event === event && fits(line))),
    signal: (name) => child.kill(name),
    ended: Promise.all([child.exited, read]).then(([code]) => code),
  };
}

const FROM_SOURCE = [process.execPath, join(import.meta.dir, "..", "..", "src", "main.ts")];

/** Starts the service and waits until it says that it runs. */
export async function startService(options: LaunchOptions = {}): Promise<Service> {
  const service = launch(options);
  let code: number | undefined;
  void service.ended.then((exitCode) => {
    code = exitCode;
  });
  const banner = await until("the service to run", () => {
    if (code !== undefined) throw new Error(`it left with ${code}: ${service.stderr()}${service.stdout()}`);
    return BANNER.exec(service.stderr()) ?? undefined;
  });
  return { ...service, url: banner[1] ?? "" };
}

const BANNER = /jobsvc is running\..*(?: API +(http\S+)\/api\/jobs\n.*}'\n|no API in this process\n)/s;

/** Runs a command to its end. */
export async function runCommand(
  options: LaunchOptions,
): Promise<{ code: number; stdout: string; stderr: string; ms: number }> {
  const begunMs = performance.now();
  const command = launch(options);
  const code = await command.ended;
  return { code, stdout: command.stdout(), stderr: command.stderr(), ms: performance.now() - begunMs };
}

function completeLines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}
