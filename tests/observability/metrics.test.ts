import { describe, expect, test } from "bun:test";
import type { Emit, Events } from "../../src/observability/events.ts";
import { OTHER } from "../../src/observability/lane_labels.ts";
import { both } from "../../src/observability/listeners.ts";
import { createMetrics, type MetricsParts } from "../../src/observability/metrics.ts";
import type { QueueState } from "../../src/observability/queue_metrics.ts";
import { recorder } from "../support/events.ts";
import { scraped, seriesOf } from "../support/prometheus.ts";
import { until } from "../support/until.ts";

function measured(changes: Partial<MetricsParts> = {}) {
  const metrics = createMetrics({
    version: "1.2.3",
    role: "all",
    works: { kinds: ["ai_agent"], queues: [{ name: "default", slots: 7 }] },
    connections: 6,
    openStreams: () => 3,
    readQueues: async () => [],
    ...changes,
  });
  const scrape = async () => scraped(await metrics.text());
  return { ...metrics, scrape, read: async (name: string) => seriesOf(await scrape(), name) };
}

const JOB = { job_id: "1", kind: "ai_agent", queue: "default", attempt: 1, worker_id: "2" };
const LANE = '{kind="ai_agent",queue="default"}';

const start = (emit: Emit, changes: Partial<Events["job.started"]> = {}) =>
  emit("job.started", { ...JOB, waited_ms: 20, ...changes });

describe("what the worker does", () => {
  test("is counted by kind, queue and outcome, and timed", async () => {
    const { emit, scrape } = measured();
    for (let job = 0; job < 4; job++) start(emit);
    emit("job.ended", { ...JOB, outcome: "completed", ms: 400 });
    emit("job.retrying", { ...JOB, outcome: "failed", ms: 3_000, retry_in_ms: 1_000 });
    emit("job.broken_off", { ...JOB, outcome: "cancelled", ms: 10 });
    emit("job.ending_lost", { ...JOB, outcome: "completed" });
    const all = await scrape();
    expect(seriesOf(all, "jobsvc_jobs_started_total")).toEqual({ [LANE]: 4 });
    expect(seriesOf(all, "jobsvc_jobs_ended_total")).toEqual({
      '{kind="ai_agent",outcome="completed",queue="default"}': 1,
      '{kind="ai_agent",outcome="failed",queue="default"}': 1,
      '{kind="ai_agent",outcome="cancelled",queue="default"}': 1,
    });
    expect(seriesOf(all, "jobsvc_jobs_retried_total")).toEqual({
      '{kind="ai_agent",outcome="failed",queue="default"}': 1,
    });
    expect(seriesOf(all, "jobsvc_lost_endings_total")).toEqual({ [LANE]: 1 });
    expect(seriesOf(all, "jobsvc_job_wait_seconds_count")).toEqual({ [LANE]: 4 });
    expect(seriesOf(all, "jobsvc_job_wait_seconds_sum")[LANE]).toBeCloseTo(0.08);
    expect(seriesOf(all, "jobsvc_job_run_seconds_count")).toEqual({ [LANE]: 3 });
    expect(seriesOf(all, "jobsvc_job_run_seconds_sum")[LANE]).toBeCloseTo(3.41);
    expect(all.get('jobsvc_job_run_seconds_bucket{kind="ai_agent",le="0.5",queue="default"}')).toBe(2);
    expect(seriesOf(all, "jobsvc_worker_slots")).toEqual({ '{queue="default"}': 7 });
    expect(seriesOf(all, "jobsvc_worker_slots_in_use")).toEqual({ '{queue="default"}': 1 });
  });

  test("is counted with what workers over HTTP do, which takes no slot of this process", async () => {
    const { emit, scrape } = measured();
    emit("job.taken", { ...JOB, waited_ms: 20 });
    emit("job.taken", { ...JOB, waited_ms: 20 });
    emit("job.reported", { ...JOB, outcome: "completed", ms: 400 });
    emit("job.reported", { ...JOB, outcome: "failed", ms: 400, retry_in_ms: 1_000 });
    emit("job.timed_out", { ...JOB, ms: 5_000, retry_in_ms: 1_000 });
    emit("job.timed_out", { ...JOB, ms: 5_000 });
    const all = await scrape();
    expect(seriesOf(all, "jobsvc_jobs_started_total")).toEqual({ [LANE]: 2 });
    expect(seriesOf(all, "jobsvc_job_wait_seconds_count")).toEqual({ [LANE]: 2 });
    expect(seriesOf(all, "jobsvc_jobs_ended_total")).toEqual({
      '{kind="ai_agent",outcome="completed",queue="default"}': 1,
      '{kind="ai_agent",outcome="failed",queue="default"}': 3,
    });
    expect(seriesOf(all, "jobsvc_jobs_retried_total")).toEqual({
      '{kind="ai_agent",outcome="failed",queue="default"}': 2,
    });
    expect(seriesOf(all, "jobsvc_job_run_seconds_count")).toEqual({ [LANE]: 4 });
    expect(seriesOf(all, "jobsvc_worker_slots_in_use")).toEqual({ '{queue="default"}': 0 });
  });

  test("begins at zero, so that the first loss is a difference", async () => {
    const all = await measured().scrape();
    for (const name of ["jobsvc_jobs_started_total", "jobsvc_lost_endings_total"])
      expect(seriesOf(all, name)).toEqual({ [LANE]: 0 });
    expect(seriesOf(all, "jobsvc_worker_slots_in_use")).toEqual({ '{queue="default"}': 0 });
  });

  test("is nothing where nothing works", async () => {
    const all = await measured({ works: { kinds: [], queues: [] } }).scrape();
    for (const name of ["jobsvc_jobs_started_total", "jobsvc_worker_slots"])
      expect(seriesOf(all, name)).toEqual({});
  });

  test("of kinds beyond measure is told together", async () => {
    const { emit, read } = measured();
    for (let kind = 0; kind < 1_000; kind++) start(emit, { kind: `kind-${kind}` });
    const series = await read("jobsvc_jobs_started_total");
    expect(Object.keys(series)).toHaveLength(201);
    expect(series[`{kind="${OTHER}",queue="${OTHER}"}`]).toBe(801);
    expect(Object.values(series).reduce((sum, count) => sum + count)).toBe(1_000);
  });
});

test("trouble is counted", async () => {
  const { emit, scrape } = measured();
  emit("jobs.rescued", { lost: 3, crashed: 1, failed: 0 });
  emit("jobs.rescued", { lost: 2, crashed: 0, failed: 7 });
  emit("worker.leases_lost", { worker_id: "1", leases: 4 });
  emit("handler.terminated", { ...JOB, reason: "timed_out" });
  emit("reports.dropped", { ...JOB, lines: 5 });
  emit("reports.refused", { worker_id: "1", lines: 6 });
  emit("step.failed", { step: "endings", error: new Error("no") });
  const all = await scrape();
  const count = (name: string) => all.get(name);
  expect(count("jobsvc_jobs_rescued_total")).toBe(5);
  expect(count("jobsvc_jobs_crashed_total")).toBe(1);
  expect(count("jobsvc_jobs_failed_lost_total")).toBe(7);
  expect(count("jobsvc_leases_lost_total")).toBe(4);
  expect(count("jobsvc_handler_threads_terminated_total")).toBe(1);
  expect(count("jobsvc_report_lines_dropped_total")).toBe(5);
  expect(count("jobsvc_report_lines_refused_total")).toBe(6);
  expect(count('jobsvc_background_failures_total{step="endings"}')).toBe(1);
});

test("requests are counted by route and class, under no name that a client makes up", async () => {
  const { emit, scrape } = measured();
  const ask = (method: string, route: string, status: number) =>
    emit("http.request", { method, path: "/made/up", route, status, ms: 30, request_id: "1" });
  ask("GET", "/api/jobs/:id", 200);
  ask("GET", "/api/jobs/:id", 204);
  ask("GET", "/api/jobs/:id", 404);
  ask("BREW", "none", 404);
  ask("MIX", "none", 404);
  const all = await scrape();
  expect(seriesOf(all, "jobsvc_http_requests_total")).toEqual({
    '{method="GET",route="/api/jobs/:id",status="2xx"}': 2,
    '{method="GET",route="/api/jobs/:id",status="4xx"}': 1,
    '{method="other",route="none",status="4xx"}': 2,
  });
  const ok = '{method="GET",route="/api/jobs/:id",status="2xx"}';
  expect(seriesOf(all, "jobsvc_http_request_seconds_sum")[ok]).toBeCloseTo(0.06);
  expect(all.get("jobsvc_event_streams")).toBe(3);
});

test("statements are counted by their fate, and timed", async () => {
  const { statements, scrape } = measured();
  for (let statement = 0; statement < 4; statement++) statements.begun();
  statements.done("ok", 2);
  statements.done("ok", 4);
  statements.done("no_answer", 5_000);
  const all = await scrape();
  expect(seriesOf(all, "jobsvc_database_statements_total")).toEqual({
    '{fate="ok"}': 2,
    '{fate="failed"}': 0,
    '{fate="no_answer"}': 1,
  });
  expect(all.get("jobsvc_database_statements_in_flight")).toBe(1);
  expect(all.get("jobsvc_database_connections")).toBe(6);
  expect(all.get("jobsvc_database_statement_seconds_sum")).toBeCloseTo(5.006);
});

test("the process tells what it is and what it takes", async () => {
  const { scrape } = measured();
  const before = await scrape();
  expect(seriesOf(before, "jobsvc_build_info")).toEqual({
    [`{bun="${Bun.version}",role="all",version="1.2.3"}`]: 1,
  });
  expect(before.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
  expect(before.get("process_heap_bytes")).toBeGreaterThan(1_000_000);
  expect(before.get("process_start_time_seconds")).toBeCloseTo(Date.now() / 1_000 - process.uptime(), -1);
  await until("the lag of a loop that stands still", async () => {
    const until = performance.now() + 100;
    while (performance.now() < until);
    await Bun.sleep(30);
    return (await scrape()).get('jobsvc_event_loop_lag_seconds{is="max"}')! > 0.05;
  });
  expect((await scrape()).get("process_cpu_seconds_total")).toBeGreaterThan(
    before.get("process_cpu_seconds_total")!,
  );
});

describe("queues", () => {
  const queue = (changes: Partial<QueueState> = {}): QueueState => ({
    name: "default",
    pausedAt: null,
    available: 0,
    scheduled: 0,
    running: 0,
    oldestWaitMs: null,
    workers: 0,
    ...changes,
  });

  test("are told as the database tells them", async () => {
    const mail = queue({
      name: "mail",
      pausedAt: new Date(),
      available: 5,
      scheduled: 2,
      running: 3,
      oldestWaitMs: 1_500,
      workers: 2,
    });
    const all = await measured({ readQueues: async () => [queue(), mail] }).scrape();
    expect(all.get("jobsvc_database_up")).toBe(1);
    expect(seriesOf(all, "jobsvc_queue_jobs")).toEqual({
      '{queue="default",state="available"}': 0,
      '{queue="default",state="scheduled"}': 0,
      '{queue="default",state="running"}': 0,
      '{queue="mail",state="available"}': 5,
      '{queue="mail",state="scheduled"}': 2,
      '{queue="mail",state="running"}': 3,
    });
    const both = (one: number, other: number) => ({ '{queue="default"}': one, '{queue="mail"}': other });
    expect(seriesOf(all, "jobsvc_queue_oldest_ready_seconds")).toEqual(both(0, 1.5));
    expect(seriesOf(all, "jobsvc_queue_paused")).toEqual(both(0, 1));
    expect(seriesOf(all, "jobsvc_queue_workers")).toEqual(both(0, 2));
  });

  test("are looked at once for all who scrape at the same time or soon after", async () => {
    let looks = 0;
    const { scrape } = measured({
      readQueues: async () => {
        looks++;
        return [queue()];
      },
    });
    await Promise.all([scrape(), scrape(), scrape()]);
    await scrape();
    expect(looks).toBe(1);
  });

  test("are not told while the database is away, and nobody waits long to hear that", async () => {
    for (const readQueues of [
      () => Promise.reject(new Error("away")),
      () => new Promise<never>(() => {}), // silent
    ]) {
      const { scrape, emit } = measured({ readQueues });
      start(emit);
      const begun = performance.now();
      const all = await scrape();
      expect(performance.now() - begun).toBeLessThan(4_000);
      expect(all.get("jobsvc_database_up")).toBe(0);
      expect(seriesOf(all, "jobsvc_queue_jobs")).toEqual({});
      expect(seriesOf(all, "jobsvc_jobs_started_total")).toEqual({ [LANE]: 1 });
    }
  });

  test("beyond measure are told together: the large ones by name", async () => {
    const many = Array.from({ length: 1_000 }, (_, place) => queue({ name: `q${place}`, available: place }));
    const series = seriesOf(await measured({ readQueues: async () => many }).scrape(), "jobsvc_queue_jobs");
    expect(Object.keys(series)).toHaveLength(201 * 3);
    expect(series['{queue="q999",state="available"}']).toBe(999);
    expect(series[`{queue="${OTHER}",state="available"}`]).toBe((799 * 800) / 2);
  });
});

test("one event is heard by two", () => {
  const [one, other] = [recorder(), recorder()];
  start(both(one.emit, other.emit));
  for (const { of } of [one, other]) expect(of("job.started")).toHaveLength(1);
});
