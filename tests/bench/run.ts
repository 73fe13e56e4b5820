import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openSingle } from "../../src/db/connect.ts";
import { startEmbedded } from "../../src/db/embedded/embedded.ts";
import type { BenchDatabase, Contender, Measured } from "./contender.ts";
import { jobsvc } from "./jobsvc.ts";
import { RIVALS } from "./rivals.ts";

// jobsvc and its rivals in one run, in turn, on one PostgreSQL (the one of the product, fsync and synchronous_commit
// on), each round on a new database. Machines differ and drift: believe the ratios, not the figures.

const { values: options } = parseArgs({
  options: {
    jobs: { type: "string", default: "50000" },
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
  },
});
const jobs = Number(options.jobs);
const rounds = Number(options.rounds);
const contenders = [jobsvc, ...RIVALS];

await installRivals();
const dataDir = await mkdtemp(join(tmpdir(), "jobsvc-bench-"));
const server = await startEmbedded({ dataDir });
if (typeof server.address === "string") throw new Error("the embedded server is reached by its socket");
const { host, username } = server.address;
const measured = new Map<Contender, Measured[]>(contenders.map((contender) => [contender, []]));
try {
  for (let round = 1; round <= rounds; round++) {
    for (const contender of contenders) {
      const database = await newDatabase(`bench_${contender.name.replaceAll("-", "_")}_${round}`);
      const figures = await contender.measure(database, jobs);
      measured.get(contender)!.push(figures);
      console.error(`round ${round}: ${contender.name} ${JSON.stringify(figures)}`);
    }
  }
} finally {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
}
report();

async function installRivals() {
  if (existsSync(join(import.meta.dir, "node_modules"))) return;
  const install = Bun.spawn(["npm", "ci"], { cwd: import.meta.dir, stdout: "ignore", stderr: "inherit" });
  if ((await install.exited) !== 0) throw new Error("the rivals cannot be installed");
}

async function newDatabase(database: string): Promise<BenchDatabase> {
  const sql = openSingle({ host, database: "postgres", username }, "jobsvc bench");
  await sql.unsafe(`create database "${database}"`);
  await sql.unsafe("checkpoint");
  await sql.end();
  const url = `postgres://${username}@/${database}?host=${encodeURIComponent(host)}`;
  return { url, host, database, username };
}

function report() {
  const rows = contenders.map((contender) => {
    const figures = measured.get(contender)!;
    return {
      contender: `${contender.name} ${contender.version}`,
      insertPerSecond: jobs / median(figures.map((figure) => figure.insertSeconds)),
      drainPerSecond: jobs / median(figures.map((figure) => figure.drainSeconds)),
      through: contender.through,
    };
  });
  const [ours] = rows;
  console.log(
    `\n${jobs} no-op jobs, median of ${rounds} rounds; in brackets: jobsvc is so many times as fast\n`,
  );
  console.log("| contender | bulk insert, jobs/s | drain, jobs/s | through |\n| --- | ---: | ---: | --- |");
  for (const row of rows) {
    const insert = `${Math.round(row.insertPerSecond)} (${ratio(ours!.insertPerSecond, row.insertPerSecond)})`;
    const drain = `${Math.round(row.drainPerSecond)} (${ratio(ours!.drainPerSecond, row.drainPerSecond)})`;
    console.log(`| ${row.contender} | ${insert} | ${drain} | ${row.through} |`);
  }
  if (options.json) void Bun.write(options.json, JSON.stringify({ jobs, rounds, rows }, null, 2));
}

function ratio(ours: number, theirs: number): string {
  return `${(ours / theirs).toFixed(1)} x`;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
