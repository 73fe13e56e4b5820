import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { openSingle } from "../../src/db/connect.ts";
import { MIGRATIONS } from "../../src/db/migrations.ts";
import { api, EXAMPLE, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { emptyDatabase, testDatabase } from "../support/database.ts";
import { freePort } from "../support/free_port.ts";
import { proxyTo } from "../support/proxy.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const env = { DATABASE_URL };
const service = await jobsvc.start(["--port=0", "--ai-agent-simulation-ms=10"], { env, lives: "file" });
const client = api(service.url);

describe("on a database of the user's", () => {
  test("runs the reference example", async () => {
    const job = await client.reached(await client.create(EXAMPLE), "completed");
    expect(job.attempts).toMatchObject([{ attempt: 1, outcome: "completed" }]);
  });

  test("keeps a stack that names our files and lines", async () => {
    const id = await client.create(jobBody({ max_retries: 0 }, { fail: "always" }));
    const job = await client.reached(id, "failed");
    expect(job.attempts[0]!.error?.stack).toMatch(/simulated\.ts:\d+:\d+/);
  });

  test("shows Swagger UI and the document, with all that they need", async () => {
    const page = await client.get("/swagger");
    expect(page.headers.get("content-type")).toContain("text/html");
    const html = await page.text();
    const assets = [...html.matchAll(/(?:src|href)="(?!data:)([^"#]+)"/g)].map(([, path]) => path!);
    expect(assets.length).toBeGreaterThan(1);
    for (const path of assets) {
      expect(path).not.toMatch(/^(https?:)?\/\//);
      const asset = await fetch(new URL(path, `${service.url}/swagger`));
      expect({ path, status: asset.status }).toEqual({ path, status: 200 });
      expect((await asset.bytes()).length).toBeGreaterThan(100);
    }
    const document = (await (await client.get("/openapi.json")).json()) as { openapi: string; paths: object };
    expect(document.openapi).toStartWith("3.1");
    expect(Object.keys(document.paths)).toContain("/api/jobs/create");
  });

  test("finds itself healthy", async () => {
    const port = new URL(service.url).port;
    expect(await jobsvc.run(["healthcheck", `--port=${port}`])).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(await jobsvc.run(["healthcheck"], { PORT: port })).toMatchObject({ code: 0 });
  });

  test("gives way to whoever has the port already", async () => {
    const port = new URL(service.url).port;
    const { code, stdout } = await jobsvc.run([`--port=${port}`], env);
    expect(code).toBe(69);
    expect(stdout).toContain("process.failed");
    expect(await db.sql`select from jobsvc.workers`).toHaveLength(1);
  });
});

describe("the roles", () => {
  test.each([
    ["by a flag", { args: ["--role=worker"], env: {} }],
    ["by ROLE", { args: [], env: { ROLE: "worker" } }],
    ["by JOBSVC_ROLE", { args: [], env: { JOBSVC_ROLE: "worker", ROLE: "api" } }],
  ])("are chosen %s", async (_, given) => {
    const worker = await jobsvc.start(given.args, { env: { ...env, ...given.env } });
    expect(worker.url).toBe("");
    expect(await worker.logged("process.started")).toMatchObject({ role: "worker" });
    worker.signal("SIGTERM");
    expect(await worker.ended).toBe(0);
  });

  test("are two processes on one database", async () => {
    const [own, port] = [await emptyDatabase(), await freePort()];
    const { url } = await proxyTo(own);
    // Started in the same moment, on a database without a schema.
    const [server, worker] = await Promise.all([
      jobsvc.start(["--role=api", "--port=0"], { env: { DATABASE_URL: url } }),
      jobsvc.start(["--role=worker", `--probe-port=${port}`, "--poll-interval-ms=3600000"], {
        env: { DATABASE_URL: url },
      }),
    ]);
    const client = api(server.url);
    const job = await client.reached(await client.create(jobBody({}, { duration_ms: 1 })), "completed");
    expect(job.attempts[0]!.worker_name).toContain(`/${worker.pid}`);
    const check = await jobsvc.run(["healthcheck", "--role=worker", `--probe-port=${port}`]);
    expect(check).toMatchObject({ code: 0, stderr: "" });
    const applied = [server, worker].flatMap(({ log }) =>
      log().filter(({ event }) => event === "database.migrated"),
    );
    expect(applied).toHaveLength(1);
  });
});

describe("jobsvc migrate", () => {
  test("brings an empty database up to date, once, also when two do it at once", async () => {
    const own = await emptyDatabase();
    const { url } = await proxyTo(own);
    const migrate = () => jobsvc.run(["migrate"], { DATABASE_URL: url });
    const refused = await jobsvc.run(["--no-migrate", "--port=0"], { DATABASE_URL: url });
    expect(refused.code).toBe(78);
    expect(refused.stdout).toContain("jobsvc migrate");

    const both = await Promise.all([migrate(), migrate()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both.filter(({ stdout }) => stdout.includes("database.migrated"))).toHaveLength(1);
    expect(await migrate()).toMatchObject({ code: 0, stdout: "", stderr: "" });

    const sql = openSingle(own, "jobsvc test");
    const [row] = await sql`select count(*)::int as count from jobsvc.migrations`.finally(() => sql.end());
    expect(row!.count).toBe(MIGRATIONS.length);
    const started = await jobsvc.start(["--no-migrate", "--port=0"], { env: { DATABASE_URL: url } });
    expect((await fetch(`${started.url}/readyz`)).status).toBe(200);
  });

  test("needs a database that is there", async () => {
    expect(await jobsvc.run(["migrate"], { DATABASE_URL: "postgres://nobody@127.0.0.1:1/x" })).toMatchObject({
      code: 69,
    });
  });
});
