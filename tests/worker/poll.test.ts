import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const HOUR_MS = 3_600_000;
const QUEUES = Array.from({ length: 20 }, (_, queue) => ({ name: `queue-${queue}`, slots: 2 }));

test("an idle worker looks at all its queues by one statement in each interval", async () => {
  const pollIntervalMs = 20;
  const worker = await startWorker(db, [handler(() => "done")], { queues: QUEUES, pollIntervalMs });
  const looks = 30;
  const before = worker.statements();
  const started = performance.now();
  await until("some looks", () => worker.statements() - before >= looks);
  // Each of the queues for itself would have needed a twentieth of that time.
  expect(performance.now() - started).toBeGreaterThan(looks * pollIntervalMs * 0.5);
});

test("what nothing told of is found in each of them", async () => {
  await startWorker(db, [handler(() => "done")], { queues: QUEUES, pollIntervalMs: 20 });
  for (const { name: queue } of QUEUES) await insertNew(db, 3, { queue });
  await until("all jobs", async () => (await states(db)).completed === 3 * QUEUES.length);
});

test("what becomes due later is found when it is", async () => {
  await startWorker(db, [handler(() => "done")], { queues: QUEUES, pollIntervalMs: 20 });
  await insertNew(db, 1, { queue: "queue-7", scheduledAt: new Date(Date.now() + HOUR_MS) });
  expect(await states(db)).toEqual({ scheduled: 1 });
  await db.sql`update jobsvc.ready set run_at = now()`;
  await until("the job", async () => (await states(db)).completed === 1);
});
