import { closeSync, constants, fchownSync, fstatSync, openSync, renameSync, statSync } from "node:fs";
import type { User } from "./as_user.ts";
import type { DataDir } from "./data_dir.ts";

/** A start begins a new file when the old one is longer than this, and keeps one old file. */
const LONG_BYTES = 10 * 1024 * 1024;

/** The file that the server writes to, and the place from which on it is this server's. */
export interface ServerLog {
  descriptor: number;
  from: number;
  close(): void;
}

export function openServerLog({ serverLog }: DataDir, user: User | undefined): ServerLog {
  const old = statSync(serverLog, { throwIfNoEntry: false });
  if (old && old.size > LONG_BYTES) renameSync(serverLog, `${serverLog}.old`);
  // Opened by us, who may be root, in a directory that may be somebody else's: no link leads elsewhere.
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const descriptor = openSync(serverLog, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, 0o600);
  if (user) fchownSync(descriptor, user.uid, user.gid);
  return { descriptor, from: fstatSync(descriptor).size, close: () => closeSync(descriptor) };
}

const QUOTED_LINES = 12;
const QUOTED_BYTES = 16 * 1024;

/** The last lines of what the server wrote, for an error that a person reads. */
export async function endOfServerLog({ serverLog }: DataDir, from = 0): Promise<string> {
  const size = statSync(serverLog, { throwIfNoEntry: false })?.size ?? 0;
  return lastLines(
    await Bun.file(serverLog)
      .slice(Math.max(from, size - QUOTED_BYTES), size)
      .text(),
  );
}

export function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-QUOTED_LINES).join("\n");
}
