import { expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { folderWith, handlerFile } from "../support/folder.ts";
import { isAlive } from "../support/processes.ts";
import { proxyTo } from "../support/proxy.ts";
import { launch, runCommand } from "../support/service.ts";
import { until } from "../support/until.ts";
import { startWatching } from "../support/watching.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const env = { DATABASE_URL };

const start = (folder: string, more: Record<string, string> = {}) =>
  startWatching((args, options) => launch({ args, ...options }), folder, { ...env, ...more });

const job = (kind: string) => jobBody({ resource_type: kind, payload: { to: "you" } });

test("a change of a handler starts the service anew, and the signal that stops the whole is passed on", async () => {
  const folder = await folderWith({ "a.ts": handlerFile("ant"), "parts/b.ts": "export {};" });
  const watching = await start(folder);
  const first = await watching.runs(1);
  expect(first).not.toBe(watching.pid);
  expect((await watching.client.job(await watching.client.create(job("ant")))).queue).toBe("default");

  await Bun.write(join(folder, "a.ts"), handlerFile("ant", 'queue: "hill",'));
  const second = await watching.runs(2);
  expect(isAlive(first)).toBe(false);
  const id = await watching.client.create(job("ant"));
  expect(await watching.client.reached(id, "completed")).toMatchObject({
    queue: "hill",
    result: { sent: "you" },
  });

  await Bun.write(join(folder, "parts", "b.ts"), "export const b = 1;");
  const third = await watching.runs(3);
  watching.signal("SIGINT");
  expect(await watching.ended).toBe(0);
  expect([second, third].map(isAlive)).toEqual([false, false]);
  expect(watching.log().at(-1)).toMatchObject({ event: "process.stopped" });
  expect(watching.log().findLast(({ event }) => event === "process.stopping")).toMatchObject({
    signal: "SIGINT",
  });
});

test("a file that does not load is told, and the next change is waited for", async () => {
  const folder = await folderWith({ "a.ts": "const a: = 1;" });
  const watching = await start(folder);
  await watching.told("a.ts:1:10: Unexpected =");
  await watching.told(`jobsvc: ended with 78, and starts anew after the next change in ${folder}`);
  await Bun.write(join(folder, "a.ts"), handlerFile("ant"));
  const service = await watching.runs(1);
  await rm(folder, { recursive: true });
  await watching.told("there is no such folder");
  expect(isAlive(service)).toBe(false);
  watching.signal("SIGTERM");
  expect(await watching.ended).toBe(78);
});

test("jobs of before are given back soon, whatever the grace, and run again in the next service", async () => {
  const slow = `import { setTimeout as sleep } from "node:timers/promises";
    import { defineJob, Type } from "jobsvc";
    export default defineJob({ kind: "slow", payload: Type.Any(), run: () => sleep(600_000) });`;
  const folder = await folderWith({ "slow.ts": slow });
  const watching = await start(folder, { JOBSVC_GRACE_MS: "600000" });
  await watching.runs(1);
  const id = await watching.client.create(job("slow"));
  await watching.client.reached(id, "running");
  await Bun.write(join(folder, "slow.ts"), handlerFile("slow"));
  await watching.runs(2);
  expect((await watching.client.reached(id, "completed")).attempts.map(({ outcome }) => outcome)).toEqual([
    "released",
    "completed",
  ]);
});

test("a database that is not there ends it, as it would end the service", async () => {
  const folder = await folderWith({ "a.ts": handlerFile("ant") });
  const args = [`--handlers=${folder}`, "--watch", "--port=0"];
  const { code } = await runCommand({ args, env: { DATABASE_URL: "postgres://nobody@127.0.0.1:1/x" } });
  expect(code).toBe(69);
});

test("watching nothing is a mistake", async () => {
  const { code, stderr } = await runCommand({ args: ["--watch"], env });
  expect(code).toBe(78);
  expect(stderr).toContain("--watch: needs --handlers, the folders to watch");
});

test("a service whose parent is killed stops by itself", async () => {
  const folder = await folderWith({ "a.ts": handlerFile("ant") });
  const watching = await start(folder);
  const service = await watching.runs(1);
  watching.signal("SIGKILL");
  await until("the service to end", () => !isAlive(service));
  expect(await watching.logged("process.stopped")).toBeDefined();
});
