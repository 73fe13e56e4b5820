import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { addUpTallies } from "../../src/queue/tally.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { request, testApp } from "./client.ts";

const db = await testDatabase();
const { app, told } = testApp({ db });

beforeEach(() => clear(db));

async function stats(): Promise<unknown> {
  const response = await request(app, "GET", "/api/stats");
  expect(response.status).toBe(200);
  return await response.json();
}

const NONE = { scheduled: 0, available: 0, running: 0, retryable: 0, completed: 0, failed: 0, cancelled: 0 };

describe("stats", () => {
  test("are all nothing at first", async () => {
    expect(await stats()).toEqual({ total: NONE, by_kind: [] });
  });

  test("tell how many jobs are where, in all and by queue and kind", async () => {
    await insertNew(db, 2, { scheduledAt: new Date(Date.now() + 60_000) });
    const [cancelled] = await insertNew(db, 3, { queue: "mail", kind: "client_agent" });
    const { worker, jobs } = await working(db, 10);
    await end(db, worker, jobs.slice(0, 4), {}, []);
    await end(db, worker, jobs.slice(4, 6), { outcome: "failed" }, []);
    await end(db, worker, jobs.slice(6, 7), { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    await cancelJob(db, cancelled!.id);
    await retryJob(db, jobs[4]!.id);
    const expected = {
      total: { scheduled: 2, available: 3, running: 3, retryable: 1, completed: 4, failed: 1, cancelled: 1 },
      by_kind: [
        {
          queue: "default",
          resource_type: "ai_agent",
          ...{ scheduled: 2, available: 1, running: 3, retryable: 1, completed: 4, failed: 1, cancelled: 0 },
        },
        { ...NONE, queue: "mail", resource_type: "client_agent", available: 2, cancelled: 1 },
      ],
    };
    expect(await stats()).toEqual(expected);
    await addUpTallies(db);
    expect(await stats()).toEqual(expected);
  });

  test("hold numbers beyond those of 32 bits", async () => {
    await db.sql`
      insert into jobsvc.tallies (queue, kind, outcome, jobs)
      values ('default', 'ai_agent', 'completed', 9007199254740991), ('mail', 'ai_agent', 'failed', 5000000000)`;
    expect(await stats()).toMatchObject({ total: { completed: 9007199254740991, failed: 5_000_000_000 } });
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
