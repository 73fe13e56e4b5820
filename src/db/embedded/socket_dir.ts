import { chmodSync, lstatSync, mkdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertMayEnter, give, type User } from "./as_user.ts";
import type { DataDir } from "./data_dir.ts";
import { EmbeddedError } from "./errors.ts";

/** The port only names the socket file; nothing listens on TCP. */
export const PORT = 5432;

/** The kernel takes 107 bytes on Linux and 103 on macOS. */
const LONGEST_SOCKET_BYTES = 103;

/**
 * Makes the directory of the socket, closed to everyone but the server's user: being able to open the socket
 * is all the authentication there is. It lies in the data directory; where that makes the path too long for
 * the kernel, or the driver would misread it, under the temporary directory.
 */
export function makeSocketDir(dir: DataDir, user: User | undefined): string {
  const inside = insideOf(dir);
  const outside = join(tmpdir(), `jobsvc-${Bun.hash(dir.path).toString(36)}`);
  const path = [inside, outside].find(fits);
  if (!path)
    throw new EmbeddedError(
      `the path of a socket may have ${LONGEST_SOCKET_BYTES} bytes; ${inside} and ${outside} are too long. ` +
        "Choose a shorter one: jobsvc --data-dir=/var/lib/jobsvc",
    );
  make(path, user);
  assertMayEnter(path, user);
  return path;
}

function insideOf(dir: DataDir): string {
  return join(dir.path, "run");
}

/** The driver takes a comma in a host for the end of the first of several hosts, and a colon for a port. */
function fits(directory: string): boolean {
  return (
    Buffer.byteLength(join(directory, `.s.PGSQL.${PORT}`)) <= LONGEST_SOCKET_BYTES && !/[,:]/.test(directory)
  );
}

/** Under the temporary directory anyone may have been here first: what is not ours is not used. */
function make(path: string, user: User | undefined): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) {
    mkdirSync(path, { mode: 0o700 });
    give(path, user);
  } else if (!found.isDirectory() || found.uid !== (user?.uid ?? process.getuid?.())) {
    throw new EmbeddedError(`${path} must be a directory of the database's user and is not; remove it`);
  }
  chmodSync(path, 0o700);
}

/** What lies outside the data directory does not stay behind when the server has stopped. */
export function removeSocketDir(dir: DataDir, socketDir: string): void {
  if (socketDir === insideOf(dir)) return;
  try {
    rmdirSync(socketDir);
  } catch {
    // It is not empty, or not ours to remove: then it stays, and harms nobody.
  }
}
