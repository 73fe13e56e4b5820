import { closeSync, openSync, readFileSync } from "node:fs";

export interface ChildOptions {
  command: readonly string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Whom it runs as; whoever we are when left out. */
  user?: { uid: number; gid: number } | undefined;
  /** Takes what it says. */
  logFile: string;
}

/** A process that a run has started. */
export interface Child {
  pid: number;
  /** The exit code, or undefined while it lives. */
  readonly exitCode: number | undefined;
  exited: Promise<number>;
  signal(name: NodeJS.Signals): void;
  /** What it has said so far. */
  said(): string;
}

/** Where the kernel can do it, whatever we started dies with us, also when nobody gave us the time to clean up. */
const DIES_WITH_US = Bun.which("setpriv") ? ["setpriv", "--pdeathsig", "KILL", "--"] : [];

const living = new Set<Child>();
process.on("exit", killAll);

/** Starts a process in a group of its own. */
export function startChild({ command, env = {}, cwd = "/", user, logFile }: ChildOptions): Child {
  const log = openSync(logFile, "a");
  const spawned = Bun.spawn([...DIES_WITH_US, ...command], {
    ...user,
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: cwd, ...env },
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  let exitCode: number | undefined;
  const child: Child = {
    pid: spawned.pid,
    get exitCode() {
      return exitCode;
    },
    exited: spawned.exited.then((code) => {
      exitCode = code;
      living.delete(child);
      return code;
    }),
    signal(name) {
      if (exitCode === undefined) signalGroup(spawned.pid, name);
    },
    said: () => readFileSync(logFile, "utf8"),
  };
  living.add(child);
  return child;
}

/** Ends whatever is left, at once. */
export function killAll(): void {
  for (const child of living) child.signal("SIGKILL");
}

function signalGroup(pid: number, name: NodeJS.Signals) {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended in this very moment.
  }
}
