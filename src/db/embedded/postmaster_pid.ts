import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DataDir } from "./data_dir.ts";
import { PORT } from "./socket_dir.ts";

/** What a server wrote about itself. It may be long gone. */
export interface ServerFile {
  pid: number;
  socketDir: string;
  ready: boolean;
}

/** Reads `postmaster.pid`, whose lines have a fixed meaning: 1 process id, 5 socket directory, 8 state. */
export function readServerFile(dir: DataDir): ServerFile | undefined {
  const lines = textOf(pidFile(dir)).split("\n");
  const pid = Number(lines[0]);
  return pid > 0 ? { pid, socketDir: lines[4] ?? "", ready: lines[7]?.trim() === "ready" } : undefined;
}

const pidFile = ({ cluster }: DataDir) => join(cluster, "postmaster.pid");

/**
 * True when this process is a server on this very directory. A number alone proves nothing: after a power
 * cut, or in a restarted container, it belongs to somebody else.
 */
export function isServerOf({ cluster }: DataDir, pid: number): boolean {
  return commandOf(pid).includes(`-D\0${cluster}\0`);
}

/**
 * PostgreSQL removes the files of a dead server itself, but not when its number is another process of the
 * same user now: then it refuses to start. So they go if, and only if, that process is a stranger. A server
 * that outlived these files would still be found, by its shared memory.
 */
export function removeFilesOfStranger(dir: DataDir, socketDir: string): void {
  for (const file of [pidFile(dir), join(socketDir, `.s.PGSQL.${PORT}.lock`)]) {
    const pid = Number.parseInt(textOf(file), 10); // the first line of both
    if (pid > 0 && isAlive(pid) && !isServerOf(dir, pid)) rmSync(file);
  }
}

/** The arguments of a process, each ended by NUL; empty when there is none. */
function commandOf(pid: number): string {
  if (existsSync("/proc/self/cmdline")) return textOf(`/proc/${pid}/cmdline`);
  const { stdout } = Bun.spawnSync(["ps", "-ww", "-o", "command=", "-p", String(pid)]);
  // Without the list of arguments, a path with a space in it is read as well as it can be.
  return stdout.toString().replace("-D ", "-D\0").replace(" -c ", "\0").replace("\n", "\0");
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, and another user's
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it went away between two looks, which is the answer
  }
}
