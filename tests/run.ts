import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Tests wait for facts, and on a busy machine a database or an executable takes its time. */
const LONGEST_TEST_MS = 30_000;
/** Enough for the runner's own counters, which are the last thing it says. */
const CLOSING_CHARACTERS = 2_000;
/** Where Debian puts the PostgreSQL of each major version. */
const DEBIAN_POSTGRES = "/usr/lib/postgresql";
/** What may behave differently on another version of PostgreSQL. */
const DATABASE_TESTS = ["tests/queue", "tests/db/arrays", "tests/db/connect", "tests/db/migrate"];

interface Counts {
  passed: number;
  failed: number;
}

/**
 * Runs every test, or those that the arguments name, and closes with one plain line that says how many passed and
 * failed. `bun test` alone runs the same tests; what this adds is a line that scripts can read, the certainty
 * that a runner which crashed, or found nothing to run, does not pass, and the statements once more on each
 * PostgreSQL that is installed here.
 */
const named = process.argv.slice(2);
const counts = [await run(named, {})];
if (named.length === 0) {
  for (const bin of installedPostgres()) {
    console.error(`\nThe database tests on ${bin}\n`);
    counts.push(await run(DATABASE_TESTS, { TEST_POSTGRES_BIN: bin }));
  }
}
const passed = counts.reduce((sum, count) => sum + count.passed, 0);
const failed = counts.reduce((sum, count) => sum + count.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function run(tests: readonly string[], env: Record<string, string>): Promise<Counts> {
  const runner = Bun.spawn([process.execPath, "test", `--timeout=${LONGEST_TEST_MS}`, ...tests], {
    cwd: join(import.meta.dir, ".."),
    env: { ...process.env, ...env },
    stdio: ["ignore", "inherit", "pipe"],
  });
  let closing = "";
  const decoder = new TextDecoder();
  for await (const chunk of runner.stderr) {
    process.stderr.write(chunk);
    closing = (closing + decoder.decode(chunk, { stream: true })).slice(-CLOSING_CHARACTERS);
  }
  const exitCode = await runner.exited;
  const passed = counted("pass", closing);
  // A file that does not load fails no test of its own, but it fails the run.
  return { passed, failed: Math.max(counted("fail", closing), exitCode === 0 && passed > 0 ? 0 : 1) };
}

function counted(what: "pass" | "fail", closing: string): number {
  return Number(Bun.stripANSI(closing).match(new RegExp(`^ *(\\d+) ${what}$`, "m"))?.[1] ?? 0);
}

function installedPostgres(): string[] {
  try {
    return readdirSync(DEBIAN_POSTGRES).map((version) => join(DEBIAN_POSTGRES, version, "bin"));
  } catch {
    return []; // no Debian, or none installed
  }
}
