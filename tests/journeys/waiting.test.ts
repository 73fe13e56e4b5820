import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { leases } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const service = await startService({
  args: ["--port=0", "--poll-interval-ms=50", "--ai-agent-simulation-ms=1"],
  env: { DATABASE_URL },
  lives: "file",
});
const client = api(service.url);

describe("a scheduled job", () => {
  test("waits for its time, and never runs early", async () => {
    const scheduledAt = new Date(Date.now() + 1_500).toISOString();
    const ids = await Promise.all(
      Array.from({ length: 10 }, () => client.create(jobBody({ scheduled_at: scheduledAt }))),
    );
    const waiting = await client.job(ids[0]!);
    expect(waiting).toMatchObject({
      state: "scheduled",
      status: "created",
      run_at: scheduledAt,
      attempts: [],
    });
    for (const id of ids) {
      const job = await client.reached(id, "completed");
      const startedAt = Date.parse(job.attempts[0]!.started_at!);
      expect(startedAt).toBeGreaterThanOrEqual(Date.parse(scheduledAt));
      expect(startedAt).toBeLessThan(Date.parse(scheduledAt) + 5_000);
    }
  });

  test("whose time has long passed runs at once", async () => {
    const id = await client.create(jobBody({ scheduled_at: "1999-12-31T23:59:59+02:00" }));
    const job = await client.reached(id, "completed");
    expect(job.scheduled_at).toBe("1999-12-31T21:59:59.000Z");
  });
});

describe("cancelling", () => {
  test("a job that waits ends it before it began", async () => {
    const id = await client.create(jobBody({ scheduled_at: new Date(Date.now() + 60_000).toISOString() }));
    const response = await client.cancel(id);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      job_id: id,
      state: "cancelled",
      status: "cancelled",
      attempts: [{ attempt: 1, outcome: "cancelled", worker_id: null, started_at: null }],
    });
  });

  test("a job that runs ends it at once, and its slot is free", async () => {
    const id = await client.create(jobBody({}, { duration_ms: 600_000 }));
    await client.reached(id, "running");
    const begun = performance.now();
    expect((await client.cancel(id)).status).toBe(200);
    const job = await client.job(id);
    expect(job.state).toBe("cancelled");
    expect(job.attempts).toMatchObject([
      { attempt: 1, outcome: "cancelled", worker_id: expect.any(String), started_at: expect.any(String) },
    ]);
    expect(performance.now() - begun).toBeLessThan(5_000);
    await until("its lease to be gone", async () => (await leases(db)).length === 0);
  });

  test("a job that waits for its next try leaves it at the tries it had", async () => {
    const id = await client.create(jobBody({}, { fail: "always", duration_ms: 1 }));
    await client.reached(id, "retryable");
    expect((await client.cancel(id)).status).toBe(200);
    const job = await client.job(id);
    expect(job.attempts.map(({ outcome }) => outcome)).toEqual(["failed", "cancelled"]);
    expect(job.state).toBe("cancelled");
  });

  test("what has ended already is refused, and says how it ended", async () => {
    const id = await client.create(jobBody());
    await client.reached(id, "completed");
    const response = await client.cancel(id);
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      status: 409,
      detail: expect.stringContaining("completed"),
    });
    expect((await client.job(id)).state).toBe("completed");
  });

  test("twice ends it once", async () => {
    const id = await client.create(jobBody({ resource_type: "a_kind_that_nobody_knows" }));
    const codes = (await Promise.all([client.cancel(id), client.cancel(id)])).map(({ status }) => status);
    expect(codes.toSorted()).toEqual([200, 409]);
    expect((await client.job(id)).attempts).toHaveLength(1);
  });
});

describe("a job of a kind that nobody knows", () => {
  test("waits for a worker that knows it", async () => {
    const unknown = await client.create(jobBody({ resource_type: "video", priority: 1 }));
    const known = await client.create(jobBody({ priority: 9 }));
    await client.reached(known, "completed");
    expect(await client.job(unknown)).toMatchObject({ state: "available", attempts: [] });
  });
});
