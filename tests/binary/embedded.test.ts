import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { api, EXAMPLE, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { temporaryDirectory } from "../support/embedded.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();

/** The first test that runs makes a database here, and the others find it. */
const HOME = await temporaryDirectory("file");
const dataDir = join(HOME, ".local", "share", "jobsvc");
const pidFile = join(dataDir, "pgdata", "postmaster.pid");

/** A second jobsvc on the same data, or the first one again. */
const start = (...args: string[]) => jobsvc.start([`--data-dir=${dataDir}`, "--port=0", ...args]);

/** The command that the banner offers, taken apart by a shell that has a curl of our making. */
async function offeredCurl(stderr: string): Promise<string[]> {
  const command = stderr.slice(stderr.indexOf("curl "));
  const shell = Bun.spawn(["sh", "-c", `curl() { printf '%s\\0' "$@"; }\n${command}`], { stdout: "pipe" });
  return (await shell.stdout.text()).split("\0").slice(0, -1);
}

describe("without a database", () => {
  test("starts one in the user's own folder, says where everything is, and offers a command that works", async () => {
    const service = await jobsvc.start(["--port=0", "--ai-agent-simulation-ms=10"], { env: { HOME } });
    expect(await service.logged("database.embedded")).toMatchObject({ level: "warn", data_dir: dataDir });
    for (const told of [`${service.url}/api/jobs`, `${service.url}/swagger`, `Data     ${dataDir}`])
      expect(service.stderr()).toContain(told);

    const [x, method, url, h, header, d, body, ...rest] = await offeredCurl(service.stderr());
    expect([x, method, h, header, d, rest]).toEqual([
      "-X",
      "POST",
      "-H",
      "Content-Type: application/json",
      "-d",
      [],
    ]);
    expect(url).toBe(`${service.url}/api/jobs/create`);
    expect(JSON.parse(body!)).toEqual(JSON.parse(EXAMPLE));
    const client = api(service.url);
    await client.reached(await client.create(body), "completed");

    service.signal("SIGTERM");
    expect(await service.ended).toBe(0);
    expect(existsSync(pidFile)).toBe(false);
  });

  test("finds its jobs again at the next start, which is quick", async () => {
    const first = await start("--ai-agent-simulation-ms=10");
    const id = await api(first.url).create(jobBody());
    const done = await api(first.url).reached(id, "completed");
    first.signal("SIGTERM");
    expect(await first.ended).toBe(0);

    const second = await start();
    expect(Number((await second.logged("database.embedded")).ms)).toBeLessThan(5_000);
    const attempts = [{ ...done.attempts[0]!, worker_name: null }];
    expect(await api(second.url).job(id)).toEqual({ ...done, attempts });
    expect(second.log().some(({ event }) => event === "database.migrated")).toBe(false);
    second.signal("SIGINT");
    expect(await second.ended).toBe(0);
  });

  test("keeps its jobs when it is killed, and its database with it", async () => {
    const first = await start("--worker-ttl-ms=1000");
    const id = await api(first.url).create(jobBody({}, { duration_ms: 1_000 }));
    await api(first.url).reached(id, "running");
    const server = Number.parseInt(await Bun.file(pidFile).text(), 10);
    first.signal("SIGKILL");
    process.kill(server, "SIGKILL");
    await first.ended;

    const second = await start("--worker-ttl-ms=1000");
    const job = await api(second.url).reached(id, "completed");
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "completed"]);
    second.signal("SIGTERM");
    expect(await second.ended).toBe(0);
  });

  test("works where the current directory is nobody's to write", async () => {
    const cwd = existsSync("/proc/self") ? "/proc/self" : "/";
    const args = [`--data-dir=${dataDir}`, "--port=0", "--ai-agent-simulation-ms=1"];
    const service = await jobsvc.start(args, { cwd });
    const client = api(service.url);
    await client.reached(await client.create(jobBody()), "completed");
    service.signal("SIGTERM");
    expect(await service.ended).toBe(0);
  });
});

describe("an api and a worker on one data directory", () => {
  test("make one database of it, also when they start in the same moment", async () => {
    const data = `--data-dir=${join(await temporaryDirectory(), "data")}`;
    const [server, worker] = await Promise.all([
      jobsvc.start([data, "--port=0"], { env: { ROLE: "api" } }),
      jobsvc.start([data, "--role=worker", "--poll-interval-ms=3600000"]),
    ]);
    const client = api(server.url);
    const job = await client.reached(await client.create(jobBody({}, { duration_ms: 1 })), "completed");
    expect(job.attempts[0]!.worker_name).toContain(`/${worker.pid}`);
    for (const process of [server, worker]) {
      process.signal("SIGTERM");
      expect(await process.ended).toBe(0);
    }
  });

  test("leave it to the other, and the last one stops it", async () => {
    const server = await start("--role=api");
    const worker = await start("--role=worker");
    const client = api(server.url);
    worker.signal("SIGTERM");
    expect(await worker.ended).toBe(0);
    const id = await client.create(jobBody({}, { duration_ms: 1 }));
    expect((await client.job(id)).state).toBe("available");

    const next = await start("--role=worker");
    await client.reached(id, "completed");
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(existsSync(pidFile)).toBe(true);
    next.signal("SIGTERM");
    expect(await next.ended).toBe(0);
    expect(existsSync(pidFile)).toBe(false);
  });
});
