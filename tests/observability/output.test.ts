import { expect, test } from "bun:test";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { droppedLines, output, type Write } from "../../src/observability/output.ts";
import { folderWith } from "../support/folder.ts";
import { until } from "../support/until.ts";

const LOG = `${import.meta.dir}/../../src/observability/log.ts`;

test("lines of one turn of the event loop are written together, in order", async () => {
  const writes: string[] = [];
  const lines = output(into(writes));
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
  const lines = output(into(writes));
  for (let i = 0; i < 1_000; i++) lines.write("x".repeat(1_000));
  expect(writes.length).toBeGreaterThan(10);
  lines.close();
  expect(writes.join("").length).toBe(1_000_000);
});

test("a closed output leaves no listener behind", () => {
  const before = process.listenerCount("exit");
  const lines = output(into([]));
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

test("a reader that is behind holds nobody up: what it takes is whole, what is dropped is counted and told", async () => {
  const before = droppedLines();
  const told: number[] = [];
  let room = 10;
  let read = "";
  const lines = output(
    (bytes) => {
      const taken = Math.min(room, bytes.length);
      room -= taken;
      read += Buffer.from(bytes.subarray(0, taken)).toString();
      return taken;
    },
    (dropped) => told.push(dropped),
  );
  const line = `${"x".repeat(9_999)}\n`;
  lines.write(line);
  await until("the first bytes to be read", () => read.length === 10);
  for (let i = 0; i < 1_000; i++) lines.write(line);
  const dropped = droppedLines() - before;
  expect(dropped).toBeGreaterThan(500);
  expect(told).toEqual([]);
  room = Number.POSITIVE_INFINITY;
  await until("the reader to be told", () => told.length > 0);
  lines.close();
  expect(told).toEqual([dropped]);
  expect(read).toBe(line.repeat(1_001 - dropped));
});

test("lines for a reader that has gone are counted", async () => {
  const before = droppedLines();
  const lines = output(() => {
    throw Object.assign(new Error("nobody reads"), { code: "EPIPE" });
  });
  lines.write("one\n");
  lines.write("two\n");
  lines.close();
  expect(droppedLines() - before).toBe(2);
});

test("a full pipe that nobody reads holds up neither the process nor its end", async () => {
  const path = join(await folderWith({}), "pipe");
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
  // Open for reading, too: there is a reader, and it never reads.
  const pipe = openSync(path, constants.O_RDWR);
  const script = logging(`
    for (let i = 0; i < 20_000; i++) log.emit("jobs.pruned", { jobs: i });
    setTimeout(() => globalThis.process.exit(3), 10);
  `);
  const process = Bun.spawn([globalThis.process.execPath, "-e", script], {
    stdio: ["ignore", pipe, "ignore"],
  });
  closeSync(pipe);
  expect(await process.exited).toBe(3);
});

/** Takes everything. */
function into(writes: string[]): Write {
  return (bytes) => {
    writes.push(Buffer.from(bytes).toString());
    return bytes.length;
  };
}

function run(script: string) {
  return Bun.spawn([process.execPath, "-e", logging(script)], { stdout: "pipe", stderr: "ignore" });
}

/** A program that has a log. */
function logging(script: string): string {
  const options = `{ level: "info", format: "json", isTerminal: false, color: false, version: "1", role: "all" }`;
  return `import { createLog } from ${JSON.stringify(LOG)}; const log = createLog(${options}); ${script}`;
}
