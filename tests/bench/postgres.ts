import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSingle, type Sql } from "../../src/db/connect.ts";
import { give, serverUser } from "../../src/db/embedded/as_user.ts";
import { findBinaries } from "../../src/db/embedded/binaries.ts";
import { openDataDir } from "../../src/db/embedded/data_dir.ts";
import { ENVIRONMENT, runTool } from "../../src/db/embedded/run_tool.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";

/**
 * The one PostgreSQL for everybody: that of the product, reached by TCP, because not every rival knows sockets. Nothing
 * is acknowledged that a power cut could take back; the rest is what a small server of somebody who cares would have.
 */
export const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "1GB",
  max_wal_size: "8GB",
  checkpoint_timeout: "15min",
  max_connections: "400",
};

export interface Postgres {
  version: string;
  newDatabase(name: string): Promise<BenchDatabase>;
  stop(): Promise<void>;
}

export interface BenchDatabase {
  url: string;
  /** One connection, to look at it from outside. */
  sql: Sql;
  /** WAL that the server has written so far. */
  walBytes(): Promise<number>;
  /** Of tables and indexes. */
  sizeBytes(): Promise<number>;
  drop(): Promise<void>;
}

const USER = "bench";
const START_MS = 30_000;

/** Starts a new server on an empty data directory, which is gone with it. */
export async function startPostgres(): Promise<Postgres> {
  const path = await mkdtemp(join(tmpdir(), "jobsvc-bench-"));
  const dir = openDataDir(path);
  const user = serverUser(dir);
  const { bin } = await findBinaries(dir, user, undefined);
  give(path, user);
  const initdb = [
    `--pgdata=${dir.cluster}`,
    `--username=${USER}`,
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
  ];
  await runTool([join(bin, "initdb"), ...initdb], user);

  const port = await freePort();
  const own = { ...SETTINGS, listen_addresses: "127.0.0.1", port: String(port), unix_socket_directories: "" };
  const flags = Object.entries(own).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = Bun.spawn([join(bin, "postgres"), "-D", dir.cluster, ...flags], {
    ...user,
    cwd: "/",
    env: ENVIRONMENT,
    stdio: ["ignore", "ignore", Bun.file(dir.serverLog)],
  });
  const urlOf = (database: string) => `postgres://${USER}@127.0.0.1:${port}/${database}`;
  const administer = async (statement: string) => {
    const sql = openSingle(urlOf("postgres"), "jobsvc bench");
    return await sql.unsafe(statement).finally(() => sql.end());
  };
  await until("PostgreSQL", () => administer("select 1").catch(() => undefined), START_MS);
  const [shown] = await administer("show server_version");
  const version = String(shown!.server_version);

  return {
    version,
    async newDatabase(name) {
      await administer(`drop database if exists "${name}" with (force)`);
      await administer(`create database "${name}"`);
      await administer("checkpoint");
      const sql = openSingle(urlOf(name), "jobsvc bench");
      return {
        url: urlOf(name),
        sql,
        walBytes: () => number(sql`select pg_current_wal_insert_lsn() - '0/0' as value`),
        sizeBytes: () => number(sql`select pg_database_size(current_database()) as value`),
        async drop() {
          await sql.end();
          await administer(`drop database if exists "${name}" with (force)`);
        },
      };
    },
    async stop() {
      server.kill("SIGINT");
      await server.exited;
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function number(rows: PromiseLike<readonly { value?: unknown }[]>): Promise<number> {
  return Number((await rows)[0]!.value);
}
