import { join } from "node:path";
import type { User } from "./as_user.ts";
import type { Binaries } from "./binaries.ts";
import type { DataDir } from "./data_dir.ts";
import { answers } from "./database.ts";
import { readServerFile } from "./postmaster_pid.ts";
import { ENVIRONMENT } from "./run_tool.ts";
import { endOfServerLog, openServerLog } from "./server_log.ts";
import { PORT } from "./socket_dir.ts";
import { waitFor } from "./wait.ts";

/**
 * Runs a server in a session of its own, so that neither a Ctrl-C nor our death ends it: other processes may
 * be using it. Answers undefined once it takes connections, or what it said when it gave up.
 */
export async function launch(
  dir: DataDir,
  binaries: Binaries,
  user: User | undefined,
  socketDir: string,
  patienceMs: number,
): Promise<string | undefined> {
  const log = openServerLog(dir, user);
  const server = Bun.spawn([join(binaries.bin, "postgres"), "-D", dir.cluster, ...settings(socketDir)], {
    ...user,
    cwd: "/",
    env: ENVIRONMENT,
    detached: true,
    stdio: ["ignore", log.descriptor, log.descriptor],
  });
  log.close();
  server.unref();

  const end = await waitFor(patienceMs, async () => {
    if (server.exitCode !== null || server.signalCode !== null) return "gone";
    const file = readServerFile(dir);
    // In a restarted container the file may be of an old server that had the very same number: so the socket
    // is asked too.
    return file?.pid === server.pid && file.ready && (await answers(socketDir)) ? "ready" : undefined;
  });
  if (end === "ready") return undefined;
  return (await endOfServerLog(dir, log.from)) || `(nothing; exit ${server.exitCode ?? server.signalCode})`;
}

/**
 * What must hold whatever postgresql.conf says: no TCP, a socket for one user, nothing acknowledged that a
 * power cut could take back. Memory and connections are initdb's (128 MB, 100), and may be changed in that
 * file.
 */
function settings(socketDir: string): string[] {
  return [
    "listen_addresses=",
    `unix_socket_directories="${socketDir.replaceAll('"', '""')}"`, // quoted, because it may hold spaces
    "unix_socket_permissions=0700",
    `port=${PORT}`,
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "logging_collector=off",
    "cluster_name=jobsvc",
  ].flatMap((setting) => ["-c", setting]);
}
