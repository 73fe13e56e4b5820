import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { endings } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const proxy = await proxyTo(db.address);
const service = await startService({
  args: ["--port=0", "--poll-interval-ms=100"],
  env: { DATABASE_URL: proxy.url },
  lives: "file",
});
const client = api(service.url);

const readiness = (status: number) =>
  until(`readiness to answer ${status}`, async () => (await client.get("/readyz")).status === status);

describe("while the database is away", () => {
  test("the service stays, says so, and loses nothing of what it had begun", async () => {
    const id = await client.create(jobBody({}, { duration_ms: 500 }));
    await client.reached(id, "running");
    proxy.cut();

    const refusing = client.post("/api/jobs/create", jobBody({}, { duration_ms: 1 }));
    await readiness(503);
    expect((await client.get("/livez")).status).toBe(200);
    const refused = await refusing;
    expect(refused.status).toBe(503);
    expect(refused.headers.get("content-type")).toContain("application/problem+json");
    expect(await endings(db, id)).toEqual([]);

    proxy.restore();
    await readiness(200);
    const job = await client.reached(id, "completed");
    expect(job.attempts).toMatchObject([{ attempt: 1, outcome: "completed" }]);
    await client.reached(await client.create(jobBody({}, { duration_ms: 1 })), "completed");
    await readiness(200);
  });
});

test("readiness tells of every loop when it last got something done", async () => {
  const { checks } = (await (await client.get("/readyz")).json()) as {
    checks: Record<string, { ok: boolean; detail: string }>;
  };
  expect(checks.loops!.ok).toBe(true);
  for (const name of ["take default", "endings", "rescuer", "watchdog", "beat"])
    expect(checks.loops!.detail).toMatch(new RegExp(`(^|, )${name} \\d+ s ago`));
});

describe("when the database hangs up on everybody", () => {
  test("the service goes on as if nothing had happened", async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, () => client.create(jobBody({}, { duration_ms: 1_000 }))),
    );
    for (const id of ids) await until("its start", async () => (await client.job(id)).attempts.length === 1);
    await db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'jobsvc %' and application_name not like 'jobsvc test%'`;
    for (const id of ids) {
      const job = await client.reached(id, "completed");
      expect(job.attempts).toHaveLength(1);
    }
  });
});
