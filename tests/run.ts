import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Runs every test, or those that the arguments name, and closes with one plain line that says how many passed and
 * failed. `bun test` alone runs the same tests; what this adds is a line that scripts can read, and the certainty
 * that a runner which crashed, or found nothing to run, does not pass.
 */
const folder = mkdtempSync(join(tmpdir(), "jobsvc-tests-"));
const report = join(folder, "report.xml");

const runner = Bun.spawn(
  [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, ...process.argv.slice(2)],
  { cwd: join(import.meta.dir, ".."), stdio: ["ignore", "inherit", "inherit"] },
);
const exitCode = await runner.exited;
const { passed, failed } = await counts();
rmSync(folder, { recursive: true });

console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** A file that does not load fails no test of its own, but it fails the run: that counts as one. */
async function counts() {
  const text = (await Bun.file(report).exists()) ? await Bun.file(report).text() : "";
  const root = text.match(/<testsuites ([^>]*)>/)?.[1];
  const number = (name: string) => Number(root?.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const tests = number("tests");
  const failures = number("failures");
  const passed = tests - failures - number("skipped");
  const broken = exitCode !== 0 || passed === 0;
  return { passed, failed: broken ? Math.max(failures, 1) : failures };
}
