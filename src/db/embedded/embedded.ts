import type { DatabaseAddress } from "../connect.ts";
import { give, serverUser } from "./as_user.ts";
import { findBinaries } from "./binaries.ts";
import { type DataDir, openDataDir } from "./data_dir.ts";
import { addressAt } from "./database.ts";
import { EmbeddedError } from "./errors.ts";
import { initialise, majorOf } from "./initialise.ts";
import { type Lock, lock, tryLock } from "./lock.ts";
import { runningServer, startServer, stopServer } from "./server.ts";

/** A PostgreSQL server of our own, shared by all processes that use the same data directory. */
export interface Embedded {
  address: DatabaseAddress;
  dataDir: string;
  startedMs: number;
  /** Leaves the server. The last process to leave stops it, and waits until it has written everything. */
  stop(): Promise<void>;
}

/**
 * Starts the server of this data directory, or attaches to the one that runs there already. Every step that
 * only one process may do at a time (unpack, initialise, start, stop) happens under one file lock, so an api
 * and a worker started in the same instant end up on the same server.
 */
export async function startEmbedded(options: { dataDir: string }): Promise<Embedded> {
  try {
    return await start(options.dataDir);
  } catch (error) {
    if (error instanceof EmbeddedError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new EmbeddedError(`cannot use the data directory ${options.dataDir}: ${message}`, { cause: error });
  }
}

async function start(dataDir: string): Promise<Embedded> {
  const begun = performance.now();
  const dir = openDataDir(dataDir);
  const starting = await lock(dir.startLock);
  try {
    const use = await lock(dir.useLock, "shared");
    try {
      const socketDir = (await runningServer(dir)) ?? (await startHere(dir));
      return {
        address: addressAt(socketDir, "jobsvc"),
        dataDir: dir.path,
        startedMs: Math.round(performance.now() - begun),
        stop: once(() => leave(dir, use)),
      };
    } catch (error) {
      use.release();
      throw error;
    }
  } finally {
    starting.release();
  }
}

async function startHere(dir: DataDir): Promise<string> {
  const user = serverUser(dir);
  // Made by root, they must not keep that user out when it later starts us itself.
  for (const file of [dir.startLock, dir.useLock]) give(file, user);
  const binaries = await findBinaries(dir, user, majorOf(dir));
  await initialise(dir, binaries, user);
  return startServer(dir, binaries, user);
}

async function leave(dir: DataDir, use: Lock): Promise<void> {
  const stopping = await lock(dir.startLock);
  try {
    use.release();
    const last = tryLock(dir.useLock, "exclusive");
    if (!last) return; // somebody else still works here
    await stopServer(dir).finally(last.release);
  } finally {
    stopping.release();
  }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= act();
    return done;
  };
}
