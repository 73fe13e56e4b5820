import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { connect, type Sql } from "../../../src/db/connect.ts";
import type { Contender, Session, Single } from "../contender.ts";
import { percentile } from "../percentile.ts";
import type { BenchDatabase } from "../postgres.ts";
import { floorLatency } from "./floor_latency.ts";

/**
 * No queue at all: the same bytes brought into Postgres by the shortest way, to show how far from the limit everybody is.
 * A job is its row, and the end of one is the row that says so.
 */
export const floor: Contender = {
  name: "the floor",
  mode: "no queue",
  version: "",
  through:
    "COPY of the rows of jobs, and of the rows of their endings; pgbench for single rows; an HTTP call that commits a row",
  store: "postgres",
  tasks: ["insert", "single", "drain", "latency"],
  missing: async () => (pgbench() ? undefined : "needs pgbench: apt-get install postgresql-contrib"),
  open,
};

/** Where Debian puts the programs of each major version. */
const DEBIAN_POSTGRES = "/usr/lib/postgresql";
const COPIES = 2;
const ROWS_AT_A_TIME = 5_000;
const PAYLOAD = JSON.stringify({ number: 123_456, text: "x".repeat(70) });

async function open({ url, sql }: BenchDatabase): Promise<Session> {
  await sql.unsafe(`
    create table jobs (id uuid primary key, kind text, queue text, priority int2, user_id uuid, resource_id uuid,
      payload json, max_attempts int2, created_at timestamptz);
    create table endings (job_id uuid, attempt int, outcome text, worker_id uuid, started_at timestamptz,
      finished_at timestamptz, primary key (job_id, attempt))`);
  const pool = connect({ address: url, name: "jobsvc bench", connections: COPIES, prepare: true });
  const now = new Date().toISOString();
  const user = "123e4567-e89b-12d3-a456-426614174000";
  const job = () => ({
    id: Bun.randomUUIDv7(),
    kind: "noop",
    queue: "default",
    priority: 5,
    user_id: user,
    payload: PAYLOAD,
  });
  const row = () => `${Bun.randomUUIDv7()}\tnoop\tdefault\t5\t${user}\t${user}\t${PAYLOAD}\t4\t${now}\n`;
  const end = () => `${Bun.randomUUIDv7()}\t1\tcompleted\t${user}\t${now}\t${now}\n`;

  async function copyAll(table: string, rows: number, make: () => string): Promise<number> {
    let left = rows;
    const started = performance.now();
    await Promise.all(
      Array.from({ length: COPIES }, async () => {
        while (left > 0) {
          const count = Math.min(ROWS_AT_A_TIME, left);
          left -= count;
          const text = Array.from({ length: count }, make).join("");
          await pool.run((sql) => copy(sql, table, text));
        }
      }),
    );
    return (performance.now() - started) / 1_000;
  }

  return {
    insert: ({ jobs }) => copyAll("jobs", jobs, row),
    single: (single) => insertByPgbench(url, single),
    latency: (options) => floorLatency(url, job, options),
    drain: async ({ jobs }) => ({ jobs, seconds: await copyAll("endings", jobs, end) }),
    close: () => pool.close(),
  };
}

async function copy(sql: Sql, table: string, text: string): Promise<void> {
  const into = await sql.unsafe(`copy ${table} from stdin`).writable();
  await pipeline(Readable.from([text]), into);
}

async function insertByPgbench(url: string, { callers, seconds }: Single) {
  const place = await mkdtemp(join(tmpdir(), "jobsvc-bench-"));
  const values = `gen_random_uuid(), 'noop', 'default', 5, gen_random_uuid(), gen_random_uuid(), '${PAYLOAD}', 4, now()`;
  await Bun.write(join(place, "insert.sql"), `insert into jobs values (${values});\n`);
  const load = [`--client=${callers}`, "--jobs=1", `--time=${seconds}`, "--file=insert.sql"];
  const flags = ["--no-vacuum", "--protocol=prepared", "--log", ...load];
  const child = Bun.spawn([pgbench()!, ...flags, url], { cwd: place, stdio: ["ignore", "pipe", "pipe"] });
  const [output, complaint] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`pgbench failed: ${complaint}`);
  const ms = await loggedMs(place);
  await rm(place, { recursive: true });
  const perSecond = Number(output.match(/tps = ([\d.]+)/)?.[1]);
  return {
    jobs: ms.length,
    seconds: ms.length / perSecond,
    p50: percentile(ms, 0.5),
    p99: percentile(ms, 0.99),
  };
}

/** pgbench writes a line for each transaction; the third word is how long it took, in microseconds. */
async function loggedMs(place: string): Promise<number[]> {
  const logs = await Array.fromAsync(new Bun.Glob("pgbench_log.*").scan({ cwd: place, absolute: true }));
  const texts = await Promise.all(logs.map((log) => Bun.file(log).text()));
  return texts.flatMap((text) => text.trim().split("\n")).map((line) => Number(line.split(" ")[2]) / 1_000);
}

function pgbench(): string | undefined {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES) : [];
  const installed = versions.map((version) => join(DEBIAN_POSTGRES, version, "bin/pgbench"));
  return Bun.which("pgbench") ?? installed.find((path) => existsSync(path));
}
