import { expect, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { scraped } from "../support/prometheus.ts";
import { proxyTo } from "../support/proxy.ts";
import { allEvents, brief } from "../support/sse.ts";

const jobsvc = await program();
const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

test("the executable streams events and tells its numbers", async () => {
  const { url } = await jobsvc.start(["--port=0"], { env: { DATABASE_URL } });
  const id = await api(url).create(jobBody({}, { duration_ms: 200 }));
  const events = (await allEvents(await fetch(`${url}/api/jobs/${id}/events`))).map(brief);
  expect(events.slice(-3)).toEqual(["1 progress 75", "1 progress 100", "1 state completed completed"]);
  const all = scraped(await (await fetch(`${url}/metrics`)).text());
  expect(all.get('jobsvc_jobs_ended_total{kind="ai_agent",outcome="completed",queue="default"}')).toBe(1);
  expect([...all.keys()].find((key) => key.startsWith("jobsvc_build_info"))).toContain('role="all"');
}, 60_000);
