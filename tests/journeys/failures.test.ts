import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const service = await startService({
  args: ["--port=0", "--poll-interval-ms=50"],
  env: { DATABASE_URL },
  lives: "file",
});
const client = api(service.url);

const create = (simulate: Record<string, unknown>, changes: Record<string, unknown> = {}) =>
  client.create(jobBody({ max_retries: 1, ...changes }, { duration_ms: 1, ...simulate }));

/** The first delay of the curve: a second, ten per cent either way, and the time that it takes to be written. */
const expectFirstDelay = (finishedAt: string | null, retryAt: string | null) =>
  expect(Date.parse(retryAt!) - Date.parse(finishedAt!)).toBeWithin(890, 1_500);

describe("a job that fails", () => {
  test("once is tried again a second later, and completes", async () => {
    const id = await create({ fail: 1 });
    const waiting = await client.reached(id, "retryable");
    expect(waiting).toMatchObject({ status: "created", finished_at: null, result: null });
    expect(waiting.run_at).toBe(waiting.attempts[0]!.retry_at);

    const { attempts, ...job } = await client.reached(id, "completed");
    expect(job).toMatchObject({ status: "completed", result: { simulated: true } });
    const [first, second] = attempts;
    expect(first).toMatchObject({ attempt: 1, outcome: "failed" });
    expect(first!.error).toMatchObject({ name: "HandlerError", message: "simulated failure of attempt 1" });
    expectFirstDelay(first!.finished_at, first!.retry_at);
    expect(second).toMatchObject({ attempt: 2, outcome: "completed", error: null, retry_at: null });
    expect(Date.parse(second!.started_at!)).toBeGreaterThanOrEqual(Date.parse(first!.retry_at!));
  });

  test("on every attempt ends as failed, with the error and the stack of each", async () => {
    const { attempts, ...job } = await client.reached(await create({ fail: "always" }), "failed");
    expect(job).toMatchObject({ status: "failed", max_retries: 1, result: null });
    expect(attempts).toHaveLength(2);
    for (const [index, attempt] of attempts.entries()) {
      expect(attempt).toMatchObject({ attempt: index + 1, outcome: "failed" });
      expect(attempt.error?.message).toBe(`simulated failure of attempt ${index + 1}`);
      expect(attempt.error?.stack).toContain("simulated.ts");
    }
    expect(attempts.map(({ retry_at }) => retry_at !== null)).toEqual([true, false]);
    expect(job.finished_at).toBe(attempts[1]!.finished_at);
  });

  test("and has no retries fails at once", async () => {
    const job = await client.reached(await create({ fail: "always" }, { max_retries: 0 }), "failed");
    expect(job.attempts).toHaveLength(1);
  });

  test.each([
    ["a string", "plain words", { name: "string", message: "plain words" }],
    ["null", null, { name: "object", message: "null" }],
    ["an object", { code: 7 }, { name: "object", message: '{"code":7}' }],
  ])("by throwing %s is a failure like any other", async (_, thrown, error) => {
    const id = await create({ fail: "always", throw: thrown }, { max_retries: 0 });
    const job = await client.reached(id, "failed");
    expect(job.attempts[0]!.error).toEqual(error);
  });

  test("because its time is up says so", async () => {
    const id = await create({ duration_ms: 60_000 }, { timeout_ms: 1_000, max_retries: 0 });
    const job = await client.reached(id, "failed");
    expect(job.attempts[0]!.error).toMatchObject({ name: "TimeoutError", reason: "timed_out" });
  });

  test("leaves a line in the log for every attempt, with its ids", async () => {
    const id = await create({ fail: 1 });
    await client.reached(id, "completed");
    const worker = await service.logged("worker.started");
    await service.logged("job.ended", ({ job_id }) => job_id === id);
    const lines = service.log().filter(({ job_id }) => job_id === id);
    expect(lines).toMatchObject([
      { event: "job.started", level: "info", attempt: 1 },
      { event: "job.retrying", level: "warn", attempt: 1, outcome: "failed" },
      { event: "job.started", level: "info", attempt: 2 },
      { event: "job.ended", level: "info", attempt: 2, outcome: "completed" },
    ]);
    for (const line of lines)
      expect(line).toMatchObject({ kind: "ai_agent", queue: "default", worker_id: worker.worker_id });
  });
});
