import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, EXAMPLE, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { folderWith } from "../support/folder.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

beforeEach(() => clear(db));

const startApi = () => startService({ args: ["--role=api", "--port=0"], env: { DATABASE_URL } });
const startWorker = (...args: string[]) =>
  startService({
    args: ["--role=worker", "--ai-agent-simulation-ms=50", "--grace-ms=0", ...args],
    env: { DATABASE_URL },
  });

describe("api and worker as two processes", () => {
  test("share the work by the database alone, and the worker hears of it at once", async () => {
    const server = await startApi();
    const client = api(server.url);
    const id = await client.create(EXAMPLE);
    expect(await client.job(id)).toMatchObject({ state: "available", status: "created", attempts: [] });

    // It polls once in an hour: whatever it takes after its start, it was told of.
    const worker = await startWorker("--poll-interval-ms=3600000");
    const job = await client.reached(id, "completed");
    expect(job.attempts[0]!.worker_name).toContain(`/${worker.pid}`);
    for (let turn = 0; turn < 5; turn++)
      await client.reached(await client.create(jobBody({}, { duration_ms: 0 })), "completed");
  });

  test("go on after the other one has been replaced", async () => {
    const client = api((await startApi()).url);
    const first = await startWorker();
    await client.reached(await client.create(jobBody()), "completed");
    first.signal("SIGTERM");
    expect(await first.ended).toBe(0);
    const id = await client.create(jobBody());
    expect((await client.job(id)).state).toBe("available");
    await startWorker();
    await client.reached(id, "completed");
  });
});

describe("a worker that is killed", () => {
  test("takes its job along for good when the kind must not run twice; an operator may have it run again", async () => {
    const payment = `import { defineJob, Type } from "jobsvc";
      export default defineJob({
        kind: "payment",
        payload: Type.Object({ ms: Type.Integer() }),
        onLost: "fail",
        run: ({ ms }) => Bun.sleep(ms),
      });`;
    const handlers = `--handlers=${await folderWith({ "payment.ts": payment })}`;
    const client = api((await startApi()).url);
    const victim = await startWorker(handlers, "--worker-ttl-ms=1000");
    const id = await client.create(jobBody({ resource_type: "payment", payload: { ms: 600_000 } }));
    await client.reached(id, "running");
    victim.signal("SIGKILL");
    await victim.ended;
    // The api knows nothing of the kind, and rescues as well as any other.
    const job = await client.reached(id, "failed");
    expect(job.attempts).toMatchObject([{ outcome: "failed", error: { name: "LostError", reason: "lost" } }]);
    await startWorker(handlers, "--worker-ttl-ms=1000");
    expect((await client.post(`/api/jobs/${id}/retry`)).status).toBe(200);
    await client.reached(id, "running");
  });

  test("has its jobs rescued by another within its time to live, and nobody loses one", async () => {
    const client = api((await startApi()).url);
    const ttl = "--worker-ttl-ms=1000";
    const victim = await startWorker(ttl);
    const ids = await Promise.all(
      Array.from({ length: 5 }, () => client.create(jobBody({ max_retries: 0 }, { duration_ms: 600_000 }))),
    );
    for (const id of ids) await client.reached(id, "running");
    const heir = await startWorker(ttl);
    victim.signal("SIGKILL");
    await victim.ended;
    const killedAt = Date.now();
    for (const id of ids) {
      const [lost, again] = await until("its second try", async () => {
        const { attempts } = await client.job(id);
        return attempts.length === 2 && attempts.at(-1)!.started_at !== null && attempts;
      });
      expect(lost).toMatchObject({ attempt: 1, outcome: "lost", error: { reason: "lost" } });
      expect(again).toMatchObject({ attempt: 2, outcome: null });
      expect(again!.worker_name).toContain(`/${heir.pid}`);
      // The time to live, a sweep of a third of it, the spread of a second, and a poll; and room for a busy machine.
      expect(Date.parse(again!.started_at!) - killedAt).toBeLessThan(10_000);
    }
    const rescued = heir.log().filter(({ event }) => event === "jobs.rescued");
    expect(rescued.reduce((sum, { lost }) => sum + Number(lost), 0)).toBe(5);
    await until("no trace of the dead", async () => (await db.sql`select from jobsvc.workers`).length === 1);
  });
});
