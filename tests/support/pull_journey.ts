import { expect, onTestFinished, test } from "bun:test";
import { join } from "node:path";
import type { Taken } from "../http/pulling.ts";
import { api, jobBody } from "./api.ts";
import { pullClient } from "./pull_client.ts";
import type { Service } from "./service.ts";
import { allEvents, brief } from "./sse.ts";
import { until } from "./until.ts";

export interface PullJourney {
  /** Starts a service on the database of the journey, which ends with the test. */
  start(args: string[]): Promise<Service>;
}

/** As short as it may be. */
const TTL_MS = 3_000;
/** They poll once in an hour: they have to be told. */
const NEVER = "--poll-interval-ms=3600000";

/** Workers over HTTP at processes of the service. */
export function pullJourney({ start }: PullJourney) {
  const startApi = (...args: string[]) => start(["--port=0", "--role=api", "--worker-ttl-ms=1000", ...args]);

  const creator = (url: string) => {
    const client = api(url);
    return {
      ...client,
      createScan: (changes: Record<string, unknown> = {}) =>
        client.create(jobBody({ resource_type: "scan", payload: '{"pages": 1e400}', ...changes })),
    };
  };

  /** A process that takes a job and beats, until it is killed. */
  async function holder(url: string): Promise<{ job: Taken; kill(): void }> {
    const script = join(import.meta.dir, "pull_worker_process.ts");
    const child = Bun.spawn([process.execPath, script, url, "scan", String(TTL_MS)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    let said = "";
    for await (const bytes of child.stdout) {
      said += new TextDecoder().decode(bytes);
      if (said.includes("\n")) break;
    }
    return { job: JSON.parse(said) as Taken, kill: () => child.kill("SIGKILL") };
  }

  test("a job is created at one node, taken at another, told of here and ended there", async () => {
    const [here, there] = await Promise.all([startApi(NEVER), startApi(NEVER)]);
    const client = creator(here.url);
    const [worker, elsewhere] = [pullClient(there.url), pullClient(here.url)];
    const taking = worker.takeOne();
    await until("it to wait", async () =>
      (await (await client.get("/api/workers")).text()).includes('"pull"'),
    );
    const id = await client.createScan();
    const job = await taking;
    expect(job).toMatchObject({ job_id: id, attempt: 1, kind: "scan", timeout_ms: 1_800_000 });
    expect(await client.job(id)).toMatchObject({
      state: "running",
      attempts: [{ outcome: null, worker_name: "journey" }],
    });
    const watching = allEvents(await client.get(`/api/jobs/${id}/events`));
    expect((await elsewhere.call(job, "progress", { percent: 50, message: "half" })).status).toBe(204);
    expect((await worker.call(job, "log", { message: "slow" })).status).toBe(204);
    expect((await elsewhere.call(job, "output", { chunk: "Hello" })).status).toBe(204);
    expect((await worker.call(job, "beat")).status).toBe(200);
    expect((await worker.call(job, "end", '{"outcome": "completed", "result": 1e400}')).status).toBe(200);
    expect((await watching).map(brief)).toEqual([
      "1 state running",
      "1 progress 50 half",
      "1 log slow",
      "1 output Hello",
      "1 state completed completed",
    ]);
    expect(await (await client.get(`/api/jobs/${id}`)).text()).toContain(
      '"payload":{"pages": 1e400},"result":1e400}',
    );
    for (const event of ["job.taken", "job.reported"])
      await there.logged(event, ({ job_id }) => job_id === id);
    const metrics = await (await api(there.url).get("/metrics")).text();
    expect(metrics).toContain('jobsvc_jobs_started_total{kind="scan",queue="default"} 1\n');
    expect(metrics).toMatch(/jobsvc_jobs_ended_total\{.*kind="scan".*outcome="completed".*\} 1\n/);
  });

  test("the job of a worker that is killed goes to another one, and whatever is said of it late is stale", async () => {
    const { url } = await startApi();
    const client = creator(url);
    const id = await client.createScan();
    const { job: first, kill } = await holder(url);
    const other = pullClient(url);
    expect(await other.take()).toEqual([]);
    kill();
    const second = await other.takeOne();
    expect(second).toMatchObject({ job_id: id, attempt: 2 });
    const end = { outcome: "completed", result: "late" };
    expect(await other.staleReason(first, "end", end)).toBe("lost");
    expect(await other.staleReason(first)).toBe("lost");
    expect(await other.staleReason(second, "end", { ...end, result: "in time" })).toBeUndefined();
    expect(await client.job(id)).toMatchObject({
      result: "in time",
      attempts: [{ outcome: "lost" }, { outcome: "completed" }],
    });
    expect(await other.staleReason(second, "end", end)).toBe("finished");
  });

  test("a job that is cancelled is told so at its next beat", async () => {
    const { url } = await startApi();
    const client = creator(url);
    const id = await client.createScan();
    const worker = pullClient(url);
    const job = await worker.takeOne();
    expect(await worker.staleReason(job)).toBeUndefined();
    expect((await client.cancel(id)).status).toBe(200);
    expect(await worker.staleReason(job)).toBe("cancelled");
    expect(await worker.staleReason(job, "end", { outcome: "completed" })).toBe("cancelled");
    expect(await client.job(id)).toMatchObject({ state: "cancelled", result: null });
  });

  test("an attempt that takes too long ends at its deadline, however much it beats", async () => {
    const { url } = await startApi();
    const client = creator(url);
    const id = await client.createScan({ timeout_ms: 1_000, max_retries: 0 });
    const worker = pullClient(url);
    const job = await worker.takeOne();
    expect(job.timeout_ms).toBe(1_000);
    const reason = await until("it to be stale", () => worker.staleReason(job));
    expect(reason).toBe("timed_out");
    const { attempts } = await client.reached(id, "failed");
    expect(attempts).toMatchObject([{ outcome: "failed", error: { reason: "timed_out" }, retry_at: null }]);
  });

  test("a hundred workers at two nodes get each of three hundred jobs once", async () => {
    const nodes = await Promise.all([startApi(), startApi()]);
    const client = creator(nodes[0].url);
    const body = jobBody({ resource_type: "scan" });
    const created = await client.post("/api/jobs/batch", Array(300).fill(body));
    const { job_ids } = (await created.json()) as { job_ids: string[] };
    const taken: string[] = [];
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const worker = pullClient(nodes[n % 2]!.url);
        while (taken.length < job_ids.length) {
          for (const job of await worker.take({ wait: 1, limit: 1 + (n % 3) })) {
            taken.push(job.job_id);
            expect(await worker.staleReason(job, "end", { outcome: "completed" })).toBeUndefined();
          }
        }
      }),
    );
    expect(taken.toSorted()).toEqual(job_ids.toSorted());
    const stats = (await (await client.get("/api/stats")).json()) as { by_kind: Record<string, unknown>[] };
    const scans = stats.by_kind.find(({ resource_type }) => resource_type === "scan");
    expect(scans).toMatchObject({ available: 0, running: 0 });
  });

  test("a node that stops sends those away who wait, and the others take over", async () => {
    const [leaving, staying] = await Promise.all([startApi(), startApi()]);
    const client = creator(staying.url);
    const worker = pullClient(leaving.url);
    const id = await client.createScan();
    const job = await worker.takeOne();
    const waiting = worker.take({ wait: 60 });
    await until("it to wait", async () => {
      const { workers } = (await (await client.get("/api/workers")).json()) as {
        workers: { slots: number }[];
      };
      return workers.some(({ slots }) => slots === 2);
    });
    const begunMs = performance.now();
    leaving.signal("SIGTERM");
    expect(await waiting).toEqual([]);
    expect(await leaving.ended).toBe(0);
    expect(performance.now() - begunMs).toBeLessThan(10_000);
    const elsewhere = pullClient(staying.url);
    expect(await elsewhere.staleReason(job, "end", { outcome: "completed" })).toBeUndefined();
    expect((await client.job(id)).state).toBe("completed");
  });

  test("workers over HTTP and a process share a queue, each for what it knows; a pause holds for both", async () => {
    const { url } = await start(["--port=0", NEVER, "--client-agent-simulation-ms=1"]);
    const client = creator(url);
    const worker = pullClient(url);
    await client.post("/api/queues/default/pause");
    const [scan, agent] = [
      await client.createScan(),
      await client.create(jobBody({ resource_type: "client_agent" })),
    ];
    const taking = worker.takeOne();
    expect(await (await client.get(`/api/jobs/${scan}/why`)).json()).toMatchObject({ code: "queue_paused" });
    await client.post("/api/queues/default/resume");
    const job = await taking;
    expect(job.job_id).toBe(scan);
    await client.reached(agent, "completed");
    expect(await worker.staleReason(job, "end", { outcome: "released" })).toBeUndefined();
    expect(await worker.takeOne()).toMatchObject({ job_id: scan, attempt: 2 });
  });
}
