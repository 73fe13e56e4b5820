import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { api, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { temporaryDirectory } from "../support/embedded.ts";
import { proxyTo } from "../support/proxy.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

/** For a database of its own: the first test that runs makes it. */
const dataDir = join(await temporaryDirectory("file"), "data");

const start = (...args: string[]) => jobsvc.start(["--port=0", ...args], { env: { DATABASE_URL } });

describe("a signal during work", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s lets running jobs finish, and the exit code is 0",
    async (signal) => {
      const service = await start();
      const client = api(service.url);
      const id = await client.create(jobBody({}, { duration_ms: 800 }));
      await client.reached(id, "running");
      service.signal(signal);
      expect(await service.ended).toBe(0);
      const [job] = await db.sql`select outcome, worker_id from jobsvc.attempts where job_id = ${id}`;
      expect(job).toMatchObject({ outcome: "completed" });
      expect(service.log().find(({ event }) => event === "process.stopping")).toMatchObject({ signal });
    },
  );

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("a second %s ends it at once, with %p", async (signal, code) => {
    const service = await start("--grace-ms=600000");
    const client = api(service.url);
    await client.reached(await client.create(jobBody({}, { duration_ms: 600_000 })), "running");
    service.signal(signal);
    await service.logged("worker.draining");
    const ended = await until("its end", async () => {
      service.signal(signal);
      return await Promise.race([service.ended, Bun.sleep(100).then(() => undefined)]);
    });
    expect(ended).toBe(code);
  });

  test("while it still starts stops it as soon as it has", async () => {
    const service = jobsvc.launch(["--port=0", `--data-dir=${dataDir}`]);
    // It obeys from its first instruction on; its first line comes much later.
    await until("its own handlers", () => handlesSignals(service.pid));
    service.signal("SIGTERM");
    expect(await service.ended).toBe(0);
    expect(service.log().at(-1)).toMatchObject({ event: "process.stopped" });
  });
});

describe("as process 1, as in a container", () => {
  test("it obeys SIGTERM too, and takes its own database down with it", async () => {
    const args = ["--port=0", `--data-dir=${dataDir}`];
    const wrapper = namespaceCommand();
    const service = await jobsvc.start(args, wrapper ? { command: [...wrapper, jobsvc.path] } : {});
    const pid = wrapper ? childOf(service.pid) : service.pid;
    if (wrapper) expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:.*\t1$/m);

    const client = api(service.url);
    const id = await client.create(jobBody({}, { duration_ms: 500 }));
    await client.reached(id, "running");
    process.kill(pid, "SIGTERM");
    expect(await service.ended).toBe(0);
    expect(service.log().find(({ job_id, event }) => job_id === id && event === "job.ended")).toMatchObject({
      outcome: "completed",
    });
    expect(service.log().at(-1)).toMatchObject({ event: "process.stopped" });
    expect(existsSync(join(dataDir, "pgdata", "postmaster.pid"))).toBe(false);
  });
});

/** A command that makes what follows it process 1 of a world of its own; undefined where that is not allowed. */
function namespaceCommand(): string[] | undefined {
  const unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
  return [unshare, [...unshare, "--user", "--map-root-user"]].find((command) => {
    if (!Bun.which("unshare")) return false;
    return Bun.spawnSync([...command, "true"], { stderr: "ignore" }).exitCode === 0;
  });
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}

/** Whether SIGTERM (15) is caught, as the kernel sees it; elsewhere than on Linux, whether it lives. */
function handlesSignals(pid: number): boolean {
  if (!existsSync("/proc/self/status")) return true;
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & (1n << 14n)) !== 0n;
}
