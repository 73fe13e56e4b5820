import { chownSync, lchownSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DataDir } from "./data_dir.ts";
import { EmbeddedError } from "./errors.ts";

/** Whom the server runs as. */
export interface User {
  uid: number;
  gid: number;
}

/** What `nobody` is where there is no list of users, as in an image made from scratch. */
const NOBODY: User = { uid: 65534, gid: 65534 };

/**
 * Undefined: as whoever we are. PostgreSQL refuses to run as root, so root hands the server to another user:
 * whose data it is already, else the user that distributions make for PostgreSQL, else nobody.
 */
export function serverUser(dir: DataDir): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  return ownerOf(dir.cluster) ?? ownerOf(dir.path) ?? listed("postgres") ?? listed("nobody") ?? NOBODY;
}

function ownerOf(path: string): User | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && stat.uid !== 0 ? { uid: stat.uid, gid: stat.gid } : undefined;
}

function listed(name: string): User | undefined {
  const line = readUsers().find((entry) => entry.startsWith(`${name}:`));
  const [uid, gid] = line?.split(":").slice(2, 4).map(Number) ?? [];
  return uid && uid > 0 && gid !== undefined ? { uid, gid } : undefined;
}

function readUsers(): string[] {
  try {
    return readFileSync("/etc/passwd", "utf8").split("\n");
  } catch {
    return []; // an image without users
  }
}

/** Makes the user the owner of the path and of all below it. */
export function give(path: string, user: User | undefined): void {
  if (!user) return;
  chownSync(path, user.uid, user.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    lchownSync(join(entry.parentPath, entry.name), user.uid, user.gid);
}

/** The server would only say "Permission denied"; this names the directory that keeps it out. */
export function assertMayEnter(path: string, user: User | undefined): void {
  if (!user) return;
  for (let above = path; above !== dirname(above); above = dirname(above)) {
    if (mayEnter(above, user)) continue;
    throw new EmbeddedError(
      `PostgreSQL does not run as root, so it runs as user ${user.uid}, who may not enter ${above}. ` +
        "Choose another place for the data: jobsvc --data-dir=/var/lib/jobsvc",
    );
  }
}

function mayEnter(directory: string, user: User): boolean {
  const { uid, gid, mode } = statSync(directory);
  const searchBit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & searchBit) !== 0;
}
