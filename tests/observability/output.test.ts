import { expect, test } from "bun:test";
import { output } from "../../src/observability/output.ts";

const LOG = `${import.meta.dir}/../../src/observability/log.ts`;

test("lines of one turn of the event loop are written together, in order", async () => {
  const writes: string[] = [];
  const lines = output((text) => writes.push(text));
  lines.write("one\n");
  lines.write("two\n");
  expect(writes).toEqual([]);
  await new Promise(setImmediate);
  lines.write("three\n");
  lines.close();
  expect(writes).toEqual(["one\ntwo\n", "three\n"]);
});

test("a burst within one turn is not collected without bound", () => {
  const writes: string[] = [];
  const lines = output((text) => writes.push(text));
  for (let i = 0; i < 1_000; i++) lines.write("x".repeat(1_000));
  expect(writes.length).toBeGreaterThan(10);
  lines.close();
  expect(writes.join("").length).toBe(1_000_000);
});

test("a closed output leaves no listener behind", () => {
  const before = process.listenerCount("exit");
  const lines = output(() => undefined);
  expect(process.listenerCount("exit")).toBe(before + 1);
  lines.close();
  lines.close();
  expect(process.listenerCount("exit")).toBe(before);
});

test("a process that leaves at once loses no line, even into a pipe that is full", async () => {
  const count = 20_000;
  const script = logging(`
    globalThis.process.stdout.isTTY; // looking at stdout is enough to make its pipe refuse what does not fit
    for (let i = 0; i < ${count}; i++) log.emit("jobs.pruned", { jobs: i });
    globalThis.process.exit();
  `);
  const process = Bun.spawn(["sh", "-c", '"$0" -e "$1" | cat', globalThis.process.execPath, script]);
  const lines = (await new Response(process.stdout).text()).trimEnd().split("\n");
  expect(lines).toHaveLength(count);
  expect(lines.every((line, index) => JSON.parse(line).jobs === index)).toBe(true);
});

test("an error that nobody catches does not swallow what was told before", async () => {
  const process = run(`
    log.emit("jobs.pruned", { jobs: 1 });
    throw new Error("nobody catches this");
  `);
  expect(await new Response(process.stdout).text()).toContain('"jobs":1');
  expect(await process.exited).not.toBe(0);
});

test("a reader that goes away does not end the process", async () => {
  const process = run(`
    const tell = () => log.emit("jobs.pruned", { jobs: 1 });
    tell();
    setImmediate(() => {
      for (let i = 0; i < 10_000; i++) tell();
      globalThis.process.exit(3);
    });
  `);
  const reader = process.stdout.getReader();
  await reader.read();
  await reader.cancel();
  expect(await process.exited).toBe(3);
});

function run(script: string) {
  return Bun.spawn([process.execPath, "-e", logging(script)], { stdout: "pipe", stderr: "ignore" });
}

/** A program that has a log. */
function logging(script: string): string {
  const options = `{ level: "info", format: "json", isTerminal: false, color: false, version: "1", role: "all" }`;
  return `import { createLog } from ${JSON.stringify(LOG)}; const log = createLog(${options}); ${script}`;
}
