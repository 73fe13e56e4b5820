import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serverUser } from "../../src/db/embedded/as_user.ts";
import { openDataDir } from "../../src/db/embedded/data_dir.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";
import { startChild } from "./child.ts";

export interface PgBouncer {
  port: number;
  stop(): Promise<void>;
}

const EXECUTABLE = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].find(existsSync) ?? "pgbouncer";

export function missingPgBouncer(): string | undefined {
  return Bun.which(EXECUTABLE) ? undefined : "PgBouncer is not installed";
}

/** A pooler in transaction mode before the server at `port`, with fewer connections than the service opens. */
export async function newPgBouncer({
  directory,
  port,
}: {
  directory: string;
  port: number;
}): Promise<PgBouncer> {
  const own = await freePort();
  const ini = join(directory, "pgbouncer.ini");
  writeFileSync(
    ini,
    [
      "[databases]",
      `* = host=127.0.0.1 port=${port} user=app`,
      "[pgbouncer]",
      "listen_addr = 127.0.0.1",
      `listen_port = ${own}`,
      "unix_socket_dir =",
      "auth_type = any",
      "pool_mode = transaction",
      "default_pool_size = 5",
      "max_client_conn = 500",
      "ignore_startup_parameters = extra_float_digits",
      "",
    ].join("\n"),
  );
  const child = startChild({
    command: [EXECUTABLE, "-q", ini],
    user: serverUser(openDataDir(join(directory, "postgres"))),
    logFile: join(directory, "pgbouncer.log"),
  });
  await until("PgBouncer to listen", () => {
    if (child.exitCode !== undefined) throw new Error(`PgBouncer did not start: ${child.said()}`);
    return Bun.connect({ hostname: "127.0.0.1", port: own, socket: { data() {} } }).then(
      (socket) => {
        socket.end();
        return true;
      },
      () => false,
    );
  });
  return {
    port: own,
    async stop() {
      child.signal("SIGKILL");
      await child.exited;
    },
  };
}
