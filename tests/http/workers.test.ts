import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, registered, TTL_MS, take } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { handler, obedient } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";
import { request, testApp } from "./client.ts";

const db = await testDatabase();
const { app, told } = testApp({ db });

beforeEach(() => clear(db));

interface WorkerView {
  worker_id: string;
  running: number;
  started_at: string;
  draining_at: string | null;
  [member: string]: unknown;
}

async function workers(): Promise<WorkerView[]> {
  const response = await request(app, "GET", "/api/workers");
  expect(response.status).toBe(200);
  const body = (await response.json()) as { workers: WorkerView[] };
  expect(Object.keys(body)).toEqual(["workers"]);
  return body.workers;
}

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("the list of workers", () => {
  test("is empty at first", async () => {
    expect(await workers()).toEqual([]);
  });

  test("tells who they are and what they take, the oldest first", async () => {
    const first = await registered(db, {
      name: "host/1",
      role: "all",
      version: "1.2.3",
      queues: ["default", "mail"],
      kinds: ["ai_agent", 'odd"kind,{}'],
      slots: 7,
    });
    const second = await registered(db);
    expect(await workers()).toEqual([
      {
        worker_id: first.id,
        name: "host/1",
        role: "all",
        version: "1.2.3",
        queues: ["default", "mail"],
        kinds: ["ai_agent", 'odd"kind,{}'],
        slots: 7,
        running: 0,
        started_at: ISO,
        draining_at: null,
      },
      expect.objectContaining({ worker_id: second.id }),
    ]);
  });

  test("counts what each runs, and not what has ended under a lease that is still there", async () => {
    const [one, other] = [await registered(db), await registered(db)];
    await insertNew(db, 6);
    const jobs = await take(db, one, 5);
    await take(db, other, 1);
    await end(db, one, [jobs[0]!], {}, []);
    await cancelJob(db, jobs[1]!.id);
    expect((await workers()).map(({ running }) => running)).toEqual([3, 1]);
  });

  test("tells since when one takes no more, and leaves out those that are dead", async () => {
    const [leaving, dead, living] = [await registered(db), await registered(db), await registered(db)];
    await beat(db, { worker: leaving, ttlMs: TTL_MS, draining: true, heldLeases: null, heldAttempts: [] });
    await expire(db, dead);
    expect(await workers()).toMatchObject([
      { worker_id: leaving.id, draining_at: ISO },
      { worker_id: living.id, draining_at: null },
    ]);
  });

  test("shows a real one from its start to its end", async () => {
    const worker = await startWorker(db, [handler(obedient)]);
    await insertNew(db, 1);
    worker.wake("default");
    await until("it to run a job", async () => (await workers())[0]?.running === 1);
    expect(await workers()).toMatchObject([{ worker_id: worker.id, kinds: ["ai_agent"], slots: 10 }]);
    const [job] = await db.sql<{ id: string }[]>`select id from jobsvc.jobs`;
    const stopped = worker.stop();
    await until("it to say that it leaves", async () => (await workers())[0]?.draining_at !== null);
    await cancelJob(db, job!.id);
    await stopped;
    expect(await workers()).toEqual([]);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
