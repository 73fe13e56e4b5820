import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Contender } from "./contender.ts";
import { buildExecutable } from "./executable.ts";
import { machine } from "./machine.ts";
import { readOptions } from "./options.ts";
import { type Postgres, SETTINGS, startPostgres } from "./postgres.ts";
import { asJson, type Result, type Row, table } from "./report.ts";
import { measure, takesPart, type Work } from "./work.ts";
import { executableMb } from "./works/footprint.ts";

// jobsvc and its rivals in one run, in turn, on one PostgreSQL, each round on a new database. Machines differ and drift:
// believe the ratios, not the figures.

const options = readOptions(Bun.argv.slice(2));
const { scale } = options;

await installRivals();
await buildExecutable();
const contenders = await present(options.contenders);
const postgres = await startPostgres();
const results: Result[] = [];
try {
  for (const work of options.works) {
    const result = await compare(work, postgres);
    if (!result) continue;
    results.push(result);
    console.log(table(result, scale));
  }
} finally {
  await postgres.stop();
}
console.log(
  `Medians of ${options.rounds} rounds; in brackets: jobsvc is so many times as good. Executable: ${executableMb().toFixed(0)} MB.`,
);
if (options.out) {
  const setting = { machine: machine(), postgres: { version: postgres.version, settings: SETTINGS }, scale };
  const works = results.map((result) => asJson(result, scale));
  const whole = {
    date: new Date().toISOString(),
    rounds: options.rounds,
    ...setting,
    executableMb: executableMb(),
    works,
  };
  await Bun.write(options.out, JSON.stringify(whole, null, 2));
}
process.exit();

async function installRivals() {
  if (existsSync(join(import.meta.dir, "node_modules/bunqueue"))) return;
  const install = Bun.spawn(["npm", "ci"], { cwd: import.meta.dir, stdout: "ignore", stderr: "inherit" });
  if ((await install.exited) !== 0) throw new Error("the rivals cannot be installed");
}

/** Those that can be measured here. */
async function present(all: readonly Contender[]): Promise<Contender[]> {
  const reasons = new Map<string, string>();
  const found = [];
  for (const contender of all) {
    const reason = await contender.missing();
    if (reason === undefined) found.push(contender);
    else reasons.set(contender.name, reason);
  }
  for (const [name, reason] of reasons) console.error(`without ${name}: ${reason}`);
  return found;
}

async function compare(work: Work, postgres: Postgres): Promise<Result | undefined> {
  const reason = work.missing?.();
  if (reason !== undefined) {
    console.error(`without ${work.name}: ${reason}`);
    return undefined;
  }
  const rows: Row[] = contenders
    .filter((contender) => takesPart(work, contender))
    .map((contender) => ({ contender, rounds: [] }));
  for (let round = 1; round <= options.rounds; round++) {
    // What a machine does in its first minute and its last should not always meet the same one.
    for (const row of round % 2 === 1 ? rows : rows.toReversed())
      await measureOnce(work, row, postgres, round);
  }
  return { work, rows };
}

async function measureOnce(work: Work, row: Row, postgres: Postgres, round: number) {
  const { contender } = row;
  const told = `${work.name}, round ${round}: ${contender.name}, ${contender.mode}`;
  const database = await postgres.newDatabase("bench");
  try {
    const figures = await measure(work, contender, database, scale);
    row.rounds.push(figures);
    console.error(`${told} ${JSON.stringify(figures)}`);
  } catch (error) {
    row.trouble = `failed: ${String(error).split("\n")[0]}`;
    console.error(`${told} failed:`, error);
  } finally {
    await database.drop();
  }
}
