import { join } from "node:path";

/** Tests wait for facts, and on a busy machine a database or an executable takes its time. */
const LONGEST_TEST_MS = 30_000;
/** Enough for the runner's own counters, which are the last thing it says. */
const CLOSING_CHARACTERS = 2_000;

/**
 * Runs every test, or those that the arguments name, and closes with one plain line that says how many passed and
 * failed. `bun test` alone runs the same tests; what this adds is a line that scripts can read, and the certainty
 * that a runner which crashed, or found nothing to run, does not pass.
 */
const runner = Bun.spawn(
  [process.execPath, "test", `--timeout=${LONGEST_TEST_MS}`, ...process.argv.slice(2)],
  {
    cwd: join(import.meta.dir, ".."),
    stdio: ["ignore", "inherit", "pipe"],
  },
);

let closing = "";
const decoder = new TextDecoder();
for await (const chunk of runner.stderr) {
  process.stderr.write(chunk);
  closing = (closing + decoder.decode(chunk, { stream: true })).slice(-CLOSING_CHARACTERS);
}
const exitCode = await runner.exited;

const passed = counted("pass");
// A file that does not load fails no test of its own, but it fails the run.
const failed = Math.max(counted("fail"), exitCode === 0 && passed > 0 ? 0 : 1);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

function counted(what: "pass" | "fail"): number {
  return Number(Bun.stripANSI(closing).match(new RegExp(`^ *(\\d+) ${what}$`, "m"))?.[1] ?? 0);
}
