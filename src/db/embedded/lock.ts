import { Database } from "bun:sqlite";
import { EmbeddedError } from "./errors.ts";
import { waitFor } from "./wait.ts";

export type LockMode = "shared" | "exclusive";

export interface Lock {
  release(): void;
}

/** A first start on a slow disk, or a stop that has much to write, takes a while; more than this is a fault. */
const PATIENCE_MS = 60_000;

/** Waits for the lock. */
export async function lock(path: string, mode: LockMode = "exclusive"): Promise<Lock> {
  const taken = await waitFor(PATIENCE_MS, () => tryLock(path, mode));
  if (taken) return taken;
  throw new EmbeddedError(
    `another process has been starting or stopping the embedded database for ${PATIENCE_MS / 1000} s ` +
      `(it holds ${path}); end it, or try again later`,
  );
}

/**
 * Takes the lock, or answers undefined when another holder is in the way.
 *
 * The lock is the kernel's: it goes away with its process, also after kill -9 or a power cut, so it can never
 * be stale as a file with a process id can. Bun gives no way to flock; an empty SQLite file locked and never
 * written does, on every platform, and it also works between two holders in one process.
 */
export function tryLock(path: string, mode: LockMode): Lock | undefined {
  const file = new Database(path);
  try {
    file.run("pragma busy_timeout = 0");
    file.run(mode === "exclusive" ? "begin exclusive" : "begin");
    if (mode === "shared") file.run("select 1 from sqlite_schema"); // the first read takes the shared lock
    return { release: () => file.close() };
  } catch (error) {
    file.close();
    if (error instanceof Error && "code" in error && error.code === "SQLITE_BUSY") return undefined;
    throw error;
  }
}
