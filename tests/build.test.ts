import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../src/build.ts";

let folder: string;

/**
 * A small program of the same shape as ours: a main file, a thread in a room of its own, a function that
 * fails by name.
 */
const PROGRAM = {
  "src/main.ts": `
    import { beat } from "./worker/beat.ts";
    const fromThread = await beat();
    function aNameToFind(): never { throw new Error("on purpose"); }
    let stack = "";
    try { aNameToFind(); } catch (error) { stack = (error as Error).stack ?? ""; }
    console.log(JSON.stringify({ fromThread, stack, mode: process.env.NODE_ENV, hostile: process.env.HOSTILE ?? "no" }));
    process.exit();`,
  "src/worker/beat.ts": `
    export function beat(): Promise<string> {
      const thread = new Worker(new URL("./beat_thread.ts", import.meta.url));
      return new Promise((resolve, reject) => {
        thread.onmessage = ({ data }) => resolve(data);
        thread.onerror = ({ message }) => reject(new Error(message));
      });
    }`,
  "src/worker/beat_thread.ts": `postMessage("alive");`,
  "elsewhere/.env": "HOSTILE=yes",
  "elsewhere/bunfig.toml": `preload = ["./preload.ts"]`,
  "elsewhere/preload.ts": `console.log("the preload ran");`,
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jobsvc-build-"));
  for (const [name, text] of Object.entries(PROGRAM)) await Bun.write(join(folder, name), text);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("an executable obeys no files of the directory it is started in, and keeps names, lines and threads", async () => {
  const outfile = join(folder, "made", "program");
  const source = join(folder, "src");
  const threads = [join(source, "worker", "beat_thread.ts")];
  await compile({ main: join(source, "main.ts"), threads, assets: [], outfile });

  const { stdout } = Bun.spawnSync([outfile], { cwd: join(folder, "elsewhere"), stderr: "inherit" });
  const { stack, ...said } = JSON.parse(stdout.toString());
  expect(said).toEqual({ fromThread: "alive", mode: "production", hostile: "no" });
  expect(stack).toMatch(/aNameToFind .*main\.ts:4:/);
});
