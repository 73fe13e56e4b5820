import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSingle, type Sql } from "../../src/db/connect.ts";
import { give, serverUser, type User } from "../../src/db/embedded/as_user.ts";
import { type Binaries, findBinaries } from "../../src/db/embedded/binaries.ts";
import { type DataDir, openDataDir } from "../../src/db/embedded/data_dir.ts";
import { initialise } from "../../src/db/embedded/initialise.ts";
import { freePort } from "../support/free_port.ts";
import { until } from "../support/until.ts";
import { type Child, startChild } from "./child.ts";

/** How a server stops, and the signal that says so. */
const STOPS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT", crash: "SIGKILL" } as const;

/** The role that the service uses: no superuser, so that a few connections are kept for us whatever it does. */
const ROLE = "app";
const DATABASE = "jobs";
const ADMINISTRATOR = "jobsvc";

/** A PostgreSQL server of a run's own, with all its switches at hand. */
export interface Postgres {
  port: number;
  /** For the service; by default straight to the server. */
  url(port?: number): string;
  /** One statement or a few as the administrator, over a connection of their own. */
  ask<Rows>(work: (sql: Sql) => PromiseLike<Rows>, database?: string): Promise<Rows>;
  /** A connection that stays open until it is ended. */
  session(): Sql;
  start(): Promise<void>;
  stop(how: keyof typeof STOPS): Promise<void>;
  /** SIGSTOP or SIGCONT to every process of the server. */
  freeze(frozen: boolean): void;
  /** Ends connections of the service. Answers how many there were. */
  terminate(which?: { most?: number; where?: string }): Promise<number>;
  /** Copies the stopped server into `dataDir`, as a standby that has yet to be started and reaches it at `port`. */
  standby(dataDir: string, port: number): Promise<Postgres>;
  promote(): Promise<void>;
}

export interface PostgresOptions {
  dataDir: string;
  /** Lines of postgresql.conf. */
  settings?: readonly string[];
}

/** Makes a server and starts it, with an empty database for the service in it. */
export async function newPostgres({ dataDir, settings = [] }: PostgresOptions): Promise<Postgres> {
  const dir = openDataDir(dataDir);
  const user = serverUser(dir);
  const binaries = await findBinaries(dir, user, undefined);
  await initialise(dir, binaries, user);
  writeFileSync(join(dir.cluster, "pg_hba.conf"), HBA);
  appendFileSync(join(dir.cluster, "postgresql.conf"), [...SETTINGS, ...settings, ""].join("\n"));
  const server = postgres({ dir, user, binaries, port: await freePort() });
  await server.start();
  await server.ask((sql) => sql.unsafe(`create role ${ROLE} login`), "postgres");
  await server.ask((sql) => sql.unsafe(`create database ${DATABASE} owner ${ROLE}`), "postgres");
  return server;
}

/** Only this machine reaches it, and nothing of value is in it. */
const HBA = "local all all trust\nhost all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";

const SETTINGS = [
  "listen_addresses = '127.0.0.1'",
  "unix_socket_directories = ''",
  // Nobody cuts the power of the machine, and a crash of the server alone needs no disk to be survived.
  "fsync = off",
  "log_min_messages = fatal",
];

interface Parts {
  dir: DataDir;
  user: User | undefined;
  binaries: Binaries;
  port: number;
}

function postgres({ dir, user, binaries, port }: Parts): Postgres {
  let server: Child | undefined;
  const urlFor = (role: string, database: string, at = port) =>
    `postgres://${role}@127.0.0.1:${at}/${database}`;

  async function ask<Rows>(work: (sql: Sql) => PromiseLike<Rows>, database = DATABASE): Promise<Rows> {
    const sql = openSingle(urlFor(ADMINISTRATOR, database), "chaos");
    try {
      return await work(sql);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  return {
    port,
    url: (at) => urlFor(ROLE, DATABASE, at),
    ask,
    session: () => openSingle(urlFor(ADMINISTRATOR, DATABASE), "chaos session"),
    async start() {
      const started = startChild({
        command: [join(binaries.bin, "postgres"), "-D", dir.cluster, "-p", String(port)],
        user,
        logFile: dir.serverLog,
      });
      server = started;
      await until("the database server to answer", () => {
        if (started.exitCode !== undefined) throw new Error(`PostgreSQL did not start: ${started.said()}`);
        return ask((sql) => sql`select 1`, "postgres").then(
          () => true,
          () => false,
        );
      });
    },
    async stop(how) {
      if (!server) return;
      // A postmaster that is killed takes nobody with it, and its children only notice at their next rest.
      const family = how === "crash" ? familyOf(server.pid) : [server.pid];
      for (const pid of family) signal(pid, STOPS[how]);
      await server.exited;
      server = undefined;
    },
    freeze(frozen) {
      if (server) for (const pid of familyOf(server.pid)) signal(pid, frozen ? "SIGSTOP" : "SIGCONT");
    },
    async terminate({ most = 1_000, where = "true" } = {}) {
      const ended = await ask(
        (sql) => sql`
        select pg_terminate_backend(pid) from (
          select pid from pg_stat_activity
          where usename = ${ROLE} and backend_type = 'client backend' and ${sql.unsafe(where)}
          order by random() limit ${most}
        ) as chosen`,
      );
      return ended.length;
    },
    async standby(dataDir, from) {
      const own = openDataDir(dataDir);
      cpSync(dir.cluster, own.cluster, { recursive: true });
      rmSync(join(own.cluster, "postmaster.pid"), { force: true });
      writeFileSync(join(own.cluster, "standby.signal"), "");
      const primary = `primary_conninfo = 'host=127.0.0.1 port=${from} user=${ADMINISTRATOR} application_name=standby'`;
      appendFileSync(join(own.cluster, "postgresql.conf"), `${primary}\n`);
      give(own.path, user);
      return postgres({ dir: own, user, binaries, port: await freePort() });
    },
    async promote() {
      await ask((sql) => sql`select pg_promote(true, 30)`, "postgres");
    },
  };
}

function signal(pid: number, name: NodeJS.Signals) {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in this very moment.
  }
}

function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [pid, ...children.split(" ").filter(Boolean).map(Number)];
}
