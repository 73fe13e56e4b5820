import { beforeEach, describe, expect, test } from "bun:test";
import { createProbeApp } from "../../src/http/app.ts";
import { both } from "../../src/observability/listeners.ts";
import { createMetrics, METRICS_TYPE } from "../../src/observability/metrics.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { readQueues } from "../../src/queue/queues.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { insertNew } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { handler, stubborn } from "../support/handlers.ts";
import { scraped, seriesOf } from "../support/prometheus.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";
import { request, SOME_ID, testAccess, testApp } from "./client.ts";
import { bearer } from "./keyed.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

function metricsOf(queues = [{ name: "default", slots: 10 }]) {
  return createMetrics({
    version: "1.2.3",
    role: "all",
    works: { kinds: ["ai_agent"], queues },
    connections: 5,
    openStreams: () => 0,
    readQueues: () => readQueues(db),
  });
}

describe("GET /metrics", () => {
  test("answers the text format of Prometheus", async () => {
    const metrics = metricsOf();
    const { app } = testApp({ metrics, emit: metrics.emit });
    await request(app, "GET", `/nowhere`);
    await request(app, "DELETE", `/api/jobs/create`);
    const response = await request(app, "GET", "/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(METRICS_TYPE);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const all = scraped(await response.text());
    expect(all.get("jobsvc_database_up")).toBe(1);
    expect(seriesOf(all, "jobsvc_http_requests_total")).toEqual({
      '{method="GET",route="none",status="4xx"}': 1,
      '{method="DELETE",route="/api/jobs/create",status="4xx"}': 1,
    });
  });

  test("needs a key where keys are needed, whatever its spelling, also in a process that only works", async () => {
    const access = testAccess({ settingsKeys: ["secret-of-the-settings"], openWithoutKeys: false });
    const parts = { metrics: metricsOf(), access, emit: recorder().emit, version: "1" };
    const probe = createProbeApp({ ...parts, readiness: async () => ({ ready: true, checks: {} }) });
    for (const app of [testApp(parts).app, probe]) {
      for (const path of ["/metrics", "/metrics/", "/metrics?x"])
        expect((await request(app, "GET", path)).status).toBe(401);
      const { status } = await request(app, "GET", "/metrics", { headers: bearer("secret-of-the-settings") });
      expect(status).toBe(200);
      expect((await request(app, "GET", "/livez")).status).toBe(200);
    }
  });

  test("knows requests by their route, never by an id", async () => {
    const metrics = metricsOf();
    const { app } = testApp({ metrics, emit: metrics.emit });
    for (const path of [
      `/api/jobs/${SOME_ID}`,
      "/api/jobs/other",
      `/api/jobs/${SOME_ID}/events`,
      "/swagger",
      "/api/jobs/",
    ])
      await request(app, "GET", path);
    const routes = Object.keys(seriesOf(scraped(await metrics.text()), "jobsvc_http_requests_total")).map(
      (labels) => /route="([^"]*)"/.exec(labels)![1],
    );
    expect(new Set(routes)).toEqual(
      new Set(["/api/jobs/:id", "/api/jobs/:id/events", "/swagger", "/api/jobs"]),
    );
  });
});

test("agrees with the tables when all is quiet", async () => {
  const queues = [
    { name: "default", slots: 10 },
    { name: "mail", slots: 4 },
  ];
  const metrics = metricsOf(queues);
  const fine = await insertNew(db, 30);
  const mail = await insertNew(db, 5, { queue: "mail" });
  const failing = await insertNew(db, 4, { priority: 9, maxAttempts: 3 });
  const cancelled = await insertNew(db, 2, { queue: "mail", priority: 9 });
  await insertNew(db, 7, { scheduledAt: new Date(Date.now() + 3_600_000) });
  await insertNew(db, 3, { kind: "nobody_knows" });
  const isOf = (jobs: { id: string }[], id: string) => jobs.some((job) => job.id === id);
  const events = recorder();
  await startWorker(
    db,
    [
      handler(
        (_, { job }) => {
          if (isOf(failing, job.id)) throw new Error("no");
          return isOf(cancelled, job.id) ? stubborn() : "done";
        },
        { retry: { type: "fixed", delayMs: 0 } },
      ),
    ],
    { queues, emit: both(metrics.emit, events.emit), pollIntervalMs: 20 },
  );
  await until("the last two to run", async () => (await states(db)).running === 2);
  for (const { id } of cancelled) await cancelJob(db, id);
  await until("all to be done", async () => {
    const { completed, failed, cancelled } = await states(db);
    return completed === fine.length + mail.length && failed === 4 && cancelled === 2;
  });
  await until("the cancelled to be heard of", () => events.of("job.broken_off").length === 2);

  const all = scraped(await metrics.text());
  const ended = await db.sql<{ queue: string; outcome: string; count: number; retried: number }[]>`
    select queue, outcome, count(*)::int as count, count(retry_at)::int as retried
    from jobsvc.attempts join jobsvc.jobs on jobs.id = attempts.job_id group by queue, outcome`;
  expect(seriesOf(all, "jobsvc_jobs_ended_total")).toEqual(
    Object.fromEntries(
      ended.map(({ queue, outcome, count }) => [
        `{kind="ai_agent",outcome="${outcome}",queue="${queue}"}`,
        count,
      ]),
    ),
  );
  expect(seriesOf(all, "jobsvc_jobs_retried_total")).toEqual({
    '{kind="ai_agent",outcome="failed",queue="default"}': 8,
  });
  const lanes = (one: number, other: number) => ({
    '{kind="ai_agent",queue="default"}': one,
    '{kind="ai_agent",queue="mail"}': other,
  });
  expect(seriesOf(all, "jobsvc_jobs_started_total")).toEqual(lanes(30 + 12, 7));
  expect(seriesOf(all, "jobsvc_job_wait_seconds_count")).toEqual(lanes(42, 7));
  expect(seriesOf(all, "jobsvc_job_run_seconds_count")).toEqual(lanes(42, 7));
  expect(seriesOf(all, "jobsvc_lost_endings_total")).toEqual(lanes(0, 0));
  expect(seriesOf(all, "jobsvc_worker_slots")).toEqual({ '{queue="default"}': 10, '{queue="mail"}': 4 });
  expect(seriesOf(all, "jobsvc_worker_slots_in_use")).toEqual({
    '{queue="default"}': 0,
    '{queue="mail"}': 0,
  });
  expect(seriesOf(all, "jobsvc_queue_jobs")).toEqual({
    '{queue="default",state="available"}': 3,
    '{queue="default",state="scheduled"}': 7,
    '{queue="default",state="running"}': 0,
    '{queue="mail",state="available"}': 0,
    '{queue="mail",state="scheduled"}': 0,
    '{queue="mail",state="running"}': 0,
  });
  const [oldest] = await db.sql<{ seconds: number }[]>`
    select extract(epoch from now() - min(run_at))::float8 as seconds from jobsvc.ready where run_at <= now()`;
  const waited = seriesOf(all, "jobsvc_queue_oldest_ready_seconds");
  expect(waited['{queue="default"}']).toBeGreaterThan(0);
  expect(waited['{queue="default"}']).toBeLessThanOrEqual(oldest!.seconds);
  expect(waited['{queue="mail"}']).toBe(0);
});

test("a job's wait is told from the moment when it was due", async () => {
  await insertNew(db, 1);
  await db.sql`update jobsvc.ready set run_at = now() - interval '42 seconds'`;
  const worker = await startWorker(db, [handler(() => "done")]);
  const { waited_ms } = await worker.heard("job.started");
  expect(waited_ms).toBeGreaterThanOrEqual(42_000);
  expect(waited_ms).toBeLessThan(57_000);
});
