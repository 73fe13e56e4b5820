import { beforeEach, describe, expect, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { freePort } from "../support/free_port.ts";
import { scraped, seriesOf } from "../support/prometheus.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { allEvents, brief, eventsOf, next, type ServerSentEvent } from "../support/sse.ts";

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

beforeEach(() => clear(db));

const start = (...args: string[]) => startService({ args, env: { DATABASE_URL } });
const startApi = () => start("--role=api", "--port=0");

const watch = (url: string, id: string, lastEventId?: string) =>
  fetch(`${url}/api/jobs/${id}/events`, {
    headers: lastEventId === undefined ? {} : { "last-event-id": lastEventId },
  });

/** What a simulated job of this length tells. */
const told = (attempt: number) => [
  `${attempt} state running`,
  `${attempt} log simulating work`,
  ...[25, 50, 75, 100].map((percent) => `${attempt} progress ${percent}`),
];

describe("somebody who watches a job", () => {
  test("sees all of it once, although the process that told it was killed in between", async () => {
    const [first, second] = [await startApi(), await startApi()];
    await start("--role=worker");
    const id = await api(first.url).create(jobBody({}, { duration_ms: 1_000, fail: 1 }));
    const seen: ServerSentEvent[] = [];
    const events = eventsOf(await watch(first.url, id));
    while (seen.at(-1)?.event !== "progress") seen.push(await next(events));
    first.signal("SIGKILL");
    await first.ended;
    seen.push(...(await allEvents(await watch(second.url, id, seen.at(-1)!.id))));
    expect(seen.map(brief).filter((text) => !text.endsWith("available"))).toEqual([
      ...told(1),
      "1 state retryable failed",
      ...told(2),
      "2 state completed completed",
    ]);
    expect((await watch(second.url, id, seen.at(-1)!.id)).status).toBe(204);
  }, 30_000);

  test("is told when the job's worker dies, and goes on with the next attempt", async () => {
    const { url } = await startApi();
    const ttl = "--worker-ttl-ms=1000";
    const victim = await start("--role=worker", ttl);
    const id = await api(url).create(jobBody({}, { duration_ms: 1_000 }));
    const events = eventsOf(await watch(url, id));
    const seen: string[] = [];
    while (seen.at(-1) !== "1 progress 25") seen.push(brief(await next(events)));
    victim.signal("SIGKILL");
    await start("--role=worker", ttl);
    seen.push(...(await Array.fromAsync(events)).map(brief));
    const endings = seen.filter((text) => /lost|completed/.test(text));
    expect(endings).toEqual(["1 state retryable lost", "2 state completed completed"]);
    expect(seen.slice(seen.indexOf("2 state running"), -1)).toEqual(told(2));
  }, 30_000);

  test("does not keep a process from stopping", async () => {
    const service = await start("--port=0");
    const id = await api(service.url).create(jobBody({ scheduled_at: "2100-01-01T00:00:00Z" }));
    const events = eventsOf(await watch(service.url, id));
    expect(brief(await next(events))).toBe("1 state scheduled");
    const begun = performance.now();
    service.signal("SIGTERM");
    expect((await events.next()).done).toBe(true);
    expect(await service.ended).toBe(0);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

test("a process that only works tells its numbers at its probe port", async () => {
  const { url } = await startApi();
  const port = await freePort();
  await start("--role=worker", `--probe-port=${port}`);
  const client = api(url);
  await client.reached(await client.create(jobBody({}, { duration_ms: 0 })), "completed");
  const all = scraped(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  const lane = '{kind="ai_agent",queue="default"}';
  expect(seriesOf(all, "jobsvc_jobs_started_total")[lane]).toBe(1);
  expect(seriesOf(all, "jobsvc_worker_slots")).toEqual({ '{queue="default"}': 100 });
  expect(all.get('jobsvc_queue_workers{queue="default"}')).toBe(1);
  const ofApi = scraped(await (await client.get("/metrics")).text());
  expect(seriesOf(ofApi, "jobsvc_jobs_started_total")).toEqual({});
  expect(ofApi.get("jobsvc_database_up")).toBe(1);
});
