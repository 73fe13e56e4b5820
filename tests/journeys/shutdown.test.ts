import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

beforeEach(() => clear(db));

const start = (...args: string[]) => startService({ args: ["--port=0", ...args], env: { DATABASE_URL } });

/** A body whose handler works for so long. */
const lasting = (duration_ms: number, changes = {}) => jobBody(changes, { duration_ms });

describe("a service that is told to stop while it works", () => {
  test("takes nothing new, finishes what runs, and says meanwhile that it is not ready", async () => {
    const service = await start();
    const client = api(service.url);
    const running = await client.create(lasting(3_000));
    await client.reached(running, "running");
    expect((await client.get("/readyz")).status).toBe(200);

    service.signal("SIGTERM");
    const unready = await until("it to be unready", async () => {
      const response = await client.get("/readyz");
      return response.status === 503 && response;
    });
    expect(await unready.json()).toMatchObject({ checks: { lifecycle: { ok: false } } });
    expect((await client.get("/livez")).status).toBe(200);
    const late = await client.create(lasting(1));
    expect(await client.job(running)).toMatchObject({ state: "running" });

    expect(await service.ended).toBe(0);
    const other = api((await start("--role=api")).url);
    expect(await other.job(running)).toMatchObject({
      state: "completed",
      attempts: [{ attempt: 1, outcome: "completed" }],
    });
    expect(await other.job(late)).toMatchObject({ state: "available", attempts: [] });
    expect(service.log().map(({ event }) => event)).toContain("worker.stopped");
    expect(service.log().at(-1)).toMatchObject({ event: "process.stopped" });
  });

  test("gives back after the grace what still runs, and another runs it at once, without a lost try", async () => {
    const leaving = await start("--role=worker", "--grace-ms=100");
    const client = api((await start("--role=api")).url);
    const id = await client.create(lasting(600_000, { max_retries: 0 }));
    await client.reached(id, "running");
    // It polls once in an hour: it has to be told.
    const staying = await start("--role=worker", "--poll-interval-ms=3600000");
    leaving.signal("SIGTERM");
    expect(await leaving.ended).toBe(0);
    const { attempts } = await client.reached(id, "running");
    expect(attempts).toMatchObject([
      { attempt: 1, outcome: "released", error: null },
      { attempt: 2, outcome: null, worker_name: expect.stringContaining(`/${staying.pid}`) },
    ]);
    expect(await db.sql`select from jobsvc.leases`).toHaveLength(1);
  });

  test("leaves at once at the second signal, and another rescues its work", async () => {
    const service = await start("--worker-ttl-ms=1000");
    const client = api(service.url);
    const id = await client.create(lasting(60_000));
    await client.reached(id, "running");
    service.signal("SIGTERM");
    await service.logged("worker.draining");
    // Two signals of one moment are one wish, as when a terminal and npm both pass on a Ctrl-C.
    const code = await until("its end", async () => {
      service.signal("SIGTERM");
      return await Promise.race([service.ended, Bun.sleep(100).then(() => undefined)]);
    });
    expect(code).toBe(128 + 15);

    const heir = api((await start("--worker-ttl-ms=1000")).url);
    const job = await until("its second try", async () => {
      const job = await heir.job(id);
      return job.attempts.length === 2 && job;
    });
    expect(job.attempts[0]).toMatchObject({ outcome: "lost" });
  });

  test("is gone in no time when nothing runs", async () => {
    const service = await start();
    const begun = performance.now();
    service.signal("SIGINT");
    expect(await service.ended).toBe(0);
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(service.log().find(({ event }) => event === "process.stopping")).toMatchObject({
      signal: "SIGINT",
    });
    expect(await db.sql`select from jobsvc.workers`).toHaveLength(0);
  });
});
