import type { User } from "./as_user.ts";
import type { Binaries } from "./binaries.ts";
import type { DataDir } from "./data_dir.ts";
import { answers } from "./database.ts";
import { EmbeddedError } from "./errors.ts";
import { launch } from "./launch.ts";
import { isServerOf, readServerFile, removeFilesOfStranger } from "./postmaster_pid.ts";
import { endOfServerLog } from "./server_log.ts";
import { makeSocketDir, removeSocketDir } from "./socket_dir.ts";
import { waitFor } from "./wait.ts";

/** After a crash the server replays its log before it answers, up to a gigabyte of it. */
const START_PATIENCE_MS = 120_000;
/** A fast stop ends every session and then writes what is in memory to a disk that may be slow. */
const STOP_PATIENCE_MS = 60_000;
/** The sessions of a killed server notice its death at once, unless they are in the middle of something. */
const IN_THE_WAY_MS = 20_000;
const IN_THE_WAY_REST_MS = 50;

/**
 * The socket directory of the server on this data directory, or undefined. One that is on its way up or down
 * is waited for.
 */
export async function runningServer(dir: DataDir): Promise<string | undefined> {
  const found = await waitFor(START_PATIENCE_MS, async () => {
    const server = readServerFile(dir);
    // The socket is asked before the process table: the server may live in another container on the same
    // volume.
    if (server?.ready && (await answers(server.socketDir))) return server;
    return server && isServerOf(dir, server.pid) ? undefined : NONE;
  });
  if (found) return found.socketDir;
  throw new EmbeddedError(
    `the embedded PostgreSQL runs, but has not answered for ${START_PATIENCE_MS / 1000} s; ${dir.serverLog} ends with:\n` +
      (await endOfServerLog(dir)),
  );
}

const NONE = { socketDir: undefined };

/** Starts the server, and answers its socket directory once it takes connections. */
export async function startServer(dir: DataDir, binaries: Binaries, user: User | undefined): Promise<string> {
  const socketDir = makeSocketDir(dir, user);
  const until = performance.now() + IN_THE_WAY_MS;
  for (;;) {
    removeFilesOfStranger(dir, socketDir);
    const failure = await launch(dir, binaries, user, socketDir, START_PATIENCE_MS);
    if (failure === undefined) return socketDir;
    if (!IN_THE_WAY.test(failure) || performance.now() > until)
      throw new EmbeddedError(
        `the embedded PostgreSQL did not start; ${dir.serverLog} ends with:\n${failure}`,
      );
    await Bun.sleep(IN_THE_WAY_REST_MS);
    const other = await runningServer(dir);
    if (other) return other;
  }
}

/**
 * What PostgreSQL says when the directory is not free yet: sessions of a killed server still hold its memory,
 * or a server that was started by a process killed since had not written its file when we looked.
 */
const IN_THE_WAY = /pre-existing shared memory block|lock file "[^"]+" already exists/;

/** Stops the server the fast way: sessions are ended, everything is written. Answers when it is gone. */
export async function stopServer(dir: DataDir): Promise<void> {
  const server = readServerFile(dir);
  if (!server || !isServerOf(dir, server.pid)) return;
  process.kill(server.pid, "SIGINT");
  const gone = await waitFor(STOP_PATIENCE_MS, () => !isServerOf(dir, server.pid) || undefined);
  if (!gone)
    throw new EmbeddedError(
      `the embedded PostgreSQL (process ${server.pid}) is still stopping; ${dir.serverLog} ends with:\n` +
        (await endOfServerLog(dir)),
    );
  removeSocketDir(dir, server.socketDir);
}
