import { join } from "node:path";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";
import { type Child, startChild } from "./child.ts";

/** One process of the service. */
export interface Member extends Child {
  role: "api" | "worker";
  /** Where its API or its probes answer. */
  url: string;
  /** It has come up. */
  started: boolean;
  /** Signals that it was sent, and when. */
  signals: { name: NodeJS.Signals; atMs: number }[];
}

export interface MemberOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  /** What is started instead of the executable, with it as the last word. */
  wrapper?: readonly string[];
  databaseUrl?: string;
  /** Of another version. */
  executable?: string;
}

/** The processes of the service. */
export interface Fleet {
  members: Member[];
  living(role?: Member["role"]): Member[];
  byPid(pid: number): Member | undefined;
  startApi(options?: MemberOptions): Promise<Member>;
  startWorker(options?: MemberOptions): Promise<Member>;
  /** SIGTERM to all that live, and their exit codes. */
  stop(): Promise<number[]>;
  kill(): void;
}

export interface FleetParts {
  executable: string;
  directory: string;
  databaseUrl: () => string;
  ttlMs: number;
  slots: number;
  /** Of every member. */
  args: readonly string[];
}

const HANDLERS = join(import.meta.dir, "handlers");
const START_PATIENCE_MS = 60_000;

export function openFleet(parts: FleetParts): Fleet {
  const { executable, directory, databaseUrl, ttlMs, slots } = parts;
  const members: Member[] = [];

  async function start(role: Member["role"], options: MemberOptions): Promise<Member> {
    const { args = [], env = {}, wrapper = [] } = options;
    const port = await freePort();
    const child = startChild({
      command: [
        ...wrapper,
        options.executable ?? executable,
        `--role=${role}`,
        role === "api" ? `--port=${port}` : `--probe-port=${port}`,
        `--handlers=${HANDLERS}`,
        `--worker-ttl-ms=${ttlMs}`,
        `--queues=default:${slots}`,
        "--log-format=json",
        ...parts.args,
        ...args,
      ],
      env: { DATABASE_URL: options.databaseUrl ?? databaseUrl(), ...env },
      cwd: directory,
      logFile: join(directory, `${members.length + 1}-${role}.log`),
    });
    const signals: Member["signals"] = [];
    const member: Member = {
      role,
      url: `http://127.0.0.1:${port}`,
      started: false,
      signals,
      pid: child.pid,
      get exitCode() {
        return child.exitCode;
      },
      exited: child.exited,
      said: child.said,
      signal(name) {
        signals.push({ name, atMs: Date.now() });
        child.signal(name);
      },
    };
    members.push(member);
    await until(`${role} ${child.pid} to answer`, () => answers(member), START_PATIENCE_MS);
    member.started = true;
    return member;
  }

  const living = (role?: Member["role"]) =>
    members.filter((member) => member.exitCode === undefined && (role ?? member.role) === member.role);

  return {
    members,
    living,
    byPid: (pid) => members.find((member) => member.pid === pid),
    startApi: (options = {}) => start("api", options),
    startWorker: (options = {}) => start("worker", options),
    async stop() {
      const leaving = living();
      for (const member of leaving) member.signal("SIGTERM");
      return await Promise.all(leaving.map((member) => member.exited));
    },
    kill() {
      for (const member of living()) member.signal("SIGKILL");
    },
  };
}

async function answers(member: Member): Promise<boolean> {
  // A member that a scenario kills while it starts is no failure of the start.
  if (member.exitCode !== undefined && member.signals.length > 0) return true;
  if (member.exitCode !== undefined)
    throw new Error(`it left with ${member.exitCode}: ${member.said().slice(-2_000)}`);
  const probe = member.role === "api" ? "/readyz" : "/livez";
  return await fetch(`${member.url}${probe}`).then(
    ({ ok }) => ok,
    () => false,
  );
}
