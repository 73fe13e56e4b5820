import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { pauseQueue, resumeQueue } from "../../src/queue/pause.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, registered, take, working } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { handler, obedient } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";
import { problemOf, request, SOME_ID, testApp } from "./client.ts";

const db = await testDatabase();
const { app, told } = testApp({ db });

beforeEach(() => clear(db));

async function why(id: string): Promise<{ code: string; detail: string }> {
  const response = await request(app, "GET", `/api/jobs/${id}/why`);
  expect(response.status).toBe(200);
  const body = (await response.json()) as { code: string; detail: string };
  expect(Object.keys(body)).toEqual(["code", "detail"]);
  return body;
}

async function waiting(changes: Parameters<typeof insertNew>[2] = {}): Promise<string> {
  const [job] = await insertNew(db, 1, changes);
  return job!.id;
}

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

describe("why a job is not running:", () => {
  test("it is scheduled for later, whoever else could take it", async () => {
    const id = await waiting({ scheduledAt: new Date("2190-01-01T00:00:00Z") });
    expect(await why(id)).toEqual({ code: "scheduled", detail: "scheduled for 2190-01-01T00:00:00.000Z" });
  });

  test("it waits to be tried again", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
    const { code, detail } = await why(jobs[0]!.id);
    expect(code).toBe("waiting_to_retry");
    expect(detail).toMatch(INSTANT);
  });

  test("its queue is paused; and when that has been resumed, something else", async () => {
    await registered(db);
    const id = await waiting();
    await pauseQueue(db, "default");
    const { code, detail } = await why(id);
    expect(code).toBe("queue_paused");
    expect(detail).toMatch(INSTANT);
    await resumeQueue(db, "default");
    expect(await why(id)).toMatchObject({ code: "next" });
  });

  test("nobody takes it: never, not any more, or not of its kind", async () => {
    const id = await waiting();
    const never = 'no living worker takes "ai_agent" from the queue "default"; none was ever seen';
    expect(await why(id)).toEqual({ code: "no_worker", detail: never });
    await registered(db, { kinds: ["client_agent"] });
    expect(await why(id)).toEqual({ code: "no_worker", detail: never });
    await expire(db, await registered(db));
    const gone = await why(id);
    expect(gone.code).toBe("no_worker");
    expect(gone.detail).toMatch(INSTANT);
  });

  test("all slots are busy, as long as they are", async () => {
    const worker = await registered(db, { slots: 2 });
    await insertNew(db, 2);
    const running = await take(db, worker, 2);
    const [id] = [await waiting()];
    await waiting({ priority: 1 });
    expect(await why(id!)).toEqual({
      code: "all_slots_busy",
      detail: "all 2 slots are busy; 1 due jobs go first",
    });
    await end(db, worker, [running[0]!], {}, []);
    expect(await why(id!)).toMatchObject({ code: "behind_others" });
  });

  test("others go first, then nobody", async () => {
    await registered(db);
    const [first, last] = [await waiting(), await waiting()];
    await waiting({ priority: 9 });
    expect(await why(last)).toEqual({
      code: "behind_others",
      detail: '1 due jobs of the queue "default" go first',
    });
    expect(await why(first)).toMatchObject({ code: "next" });
    await cancelJob(db, first);
    expect(await why(last)).toMatchObject({ code: "next" });
  });

  test("it runs, or has ended", async () => {
    const { worker, jobs } = await working(db, 3);
    expect(await why(jobs[0]!.id)).toEqual({ code: "running", detail: "the job is running" });
    await end(db, worker, [jobs[0]!], {}, []);
    await end(db, worker, [jobs[1]!], { outcome: "failed" }, []);
    await cancelJob(db, jobs[2]!.id);
    for (const [place, state] of ["completed", "failed", "cancelled"].entries())
      expect(await why(jobs[place]!.id)).toEqual({ code: "ended", detail: `the job is ${state}` });
  });

  test("with a real worker: busy with another one, then running, then done", async () => {
    const queues = [{ name: "default", slots: 1 }];
    const worker = await startWorker(db, [handler(obedient)], { queues });
    const [first, second] = [await waiting(), await waiting()];
    worker.wake("default");
    await until("the first to run", async () => (await why(first)).code === "running");
    expect(await why(second)).toMatchObject({ code: "all_slots_busy" });
    await cancelJob(db, first);
    await until("the second to run", async () => (await why(second)).code === "running");
    expect(await why(first)).toMatchObject({ code: "ended" });
    await cancelJob(db, second);
  });
});

test.each([SOME_ID, "x", "%00"])("of a job that is not there: %s", async (id) => {
  await problemOf(await request(app, "GET", `/api/jobs/${id}/why`), 404);
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
