import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, EXAMPLE, type Job, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
// Every setting as it comes.
const service = await startService({ args: ["--port=0"], env: { DATABASE_URL }, lives: "file" });
const client = api(service.url);

/** Follows a job to its end, and answers every status it was seen in, in order, and the job at the end. */
async function follow(id: string): Promise<{ seen: string[]; job: Job }> {
  const seen: string[] = [];
  const job = await until("the end of the job", async () => {
    const job = await client.job(id);
    if (seen.at(-1) !== job.status) seen.push(job.status);
    return job.finished_at !== null && job;
  });
  return { seen, job };
}

const lastedMs = ({ started_at, finished_at }: Job["attempts"][number]) =>
  Date.parse(finished_at!) - Date.parse(started_at!);

describe("the reference example", () => {
  test("is created, processed for two seconds, and completed", async () => {
    const response = await client.post("/api/jobs/create", EXAMPLE);
    expect(response.status).toBe(201);
    const { job_id, ...rest } = (await response.json()) as { job_id: string };
    expect(rest).toEqual({});
    expect(response.headers.get("location")).toBe(`/api/jobs/${job_id}`);

    const { seen, job } = await follow(job_id);
    expect(["processing,completed", "created,processing,completed"]).toContain(seen.join());
    expect(job).toMatchObject({
      job_id,
      user_id: "123e4567-e89b-12d3-a456-426614174000",
      resource_type: "ai_agent",
      resource_id: "456e7890-e89b-12d3-a456-426614174001",
      payload: { task: "process_data", data: "example" },
      priority: 1,
      scheduled_at: "2024-01-01T12:00:00.000Z",
      max_retries: 3,
      state: "completed",
      result: { simulated: true, duration_ms: 2_000 },
    });
    expect(job.attempts).toMatchObject([{ attempt: 1, outcome: "completed", error: null, retry_at: null }]);
    const [attempt] = job.attempts;
    expect(lastedMs(attempt!)).toBeWithin(1_990, 4_000);
    expect(attempt!.worker_id).toBe(
      service.log().find(({ event }) => event === "worker.started")!.worker_id as string,
    );
    expect(attempt!.worker_name).toContain(`/${service.pid}`);
    expect(Date.parse(attempt!.started_at!)).toBeGreaterThanOrEqual(Date.parse(job.created_at));
    expect(job.finished_at).toBe(attempt!.finished_at);
  });

  test("with a client_agent takes one second", async () => {
    const { job } = await follow(await client.create(jobBody({ resource_type: "client_agent" })));
    expect(job).toMatchObject({ status: "completed", result: { duration_ms: 1_000 } });
    expect(lastedMs(job.attempts[0]!)).toBeWithin(990, 3_000);
  });

  test("runs by the hundred at once, as many as the queue has slots", async () => {
    const ids = await Promise.all(
      Array.from({ length: 100 }, () => client.create(jobBody({ resource_type: "client_agent" }))),
    );
    const jobs = await Promise.all(ids.map((id) => client.reached(id, "completed")));
    const [starts, ends] = (["started_at", "finished_at"] as const).map((time) =>
      jobs.map(({ attempts }) => Date.parse(attempts[0]![time]!)),
    );
    expect(Math.max(...starts!)).toBeLessThan(Math.min(...ends!));
    expect(new Set(ids).size).toBe(100);
  });
});

describe("a payload", () => {
  test("comes back character by character", async () => {
    const text =
      '{ "n" :1e400,"n": 12345678901234567890 ,"\\u0041":"\\ud83d\\ude00 \\u0000 é",\t"list":[ ] }';
    const id = await client.create(jobBody({ resource_type: "no_such_kind", payload: text }));
    const answer = await (await client.get(`/api/jobs/${id}`)).text();
    expect(answer).toContain(`"payload":${text}`);
  });
});
