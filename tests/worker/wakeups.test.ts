import { beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { announcer } from "../../src/queue/announce.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, stateOf, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { NEVER_MS, startWorker, type TestWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const work = handler(() => "done");
const nobodyToTell = (error: unknown) => expect.unreachable(String(error));

const completed = (id: string) =>
  until("the job to be completed", async () => (await stateOf(db, id)) === "completed");

/** A worker that has looked once and found nothing: from here on only a wake or a poll makes it look again. */
async function idleWorker(changes: Parameters<typeof startWorker>[2] = {}): Promise<TestWorker> {
  const worker = await startWorker(db, [work], changes);
  const [job] = await insertNew(db, 1);
  worker.wake("default");
  await completed(job!.id);
  return worker;
}

/** Ends every connection of the worker's pool, as a failover does. */
async function hangUp({ id }: TestWorker): Promise<number> {
  const ended = await db.sql`
    select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${`worker ${id}`}`;
  return ended.length;
}

describe("a worker looks for work", () => {
  test("at once when it is woken in its own process", async () => {
    const worker = await idleWorker();
    const [job] = await insertNew(db, 1);
    worker.wake("default");
    await completed(job!.id);
  });

  test("at once when another process announces it", async () => {
    await idleWorker();
    const other = connect({ address: db.address, name: "another process", connections: 2, prepare: true });
    onTestFinished(() => other.close());
    const [job] = await insertNew(db, 1);
    announcer(other, nobodyToTell).tell(["default"]);
    await completed(job!.id);
  });

  test("at once, every one of several workers", async () => {
    const workers = [await idleWorker({ queues: [{ name: "default", slots: 1 }] })];
    for (const kind of ["video", "audio"])
      workers.push(await startWorker(db, [handler(() => kind, { kind })]));
    await insertNew(db, 1, { kind: "video" });
    await insertNew(db, 1, { kind: "audio" });
    await insertNew(db, 1);
    announcer(db, nobodyToTell).tell(["default"]);
    await until("a job on each worker", async () => (await states(db)).completed === 4);
  });

  test("at the poll interval when nobody tells it anything", async () => {
    await idleWorker({ pollIntervalMs: 20 });
    const [job] = await insertNew(db, 1);
    await completed(job!.id);
  });

  test("not at all for a queue that is not its own", async () => {
    const worker = await idleWorker();
    const [job] = await insertNew(db, 1, { queue: "other" });
    worker.wake("other");
    announcer(db, nobodyToTell).tell(["other", "default"]);
    const [own] = await insertNew(db, 1);
    worker.wake("default");
    await completed(own!.id);
    expect(await stateOf(db, job!.id)).toBe("available");
  });
});

describe("when the connection breaks on which a worker listens", () => {
  test("it looks as soon as it listens again, for it may have missed something", async () => {
    const worker = await idleWorker();
    const [job] = await insertNew(db, 1);
    expect(await hangUp(worker)).toBeGreaterThan(0);
    await completed(job!.id);
  });

  test("it hears again afterwards", async () => {
    const worker = await idleWorker();
    const [missed] = await insertNew(db, 1);
    await hangUp(worker);
    await completed(missed!.id);
    const [heard] = await insertNew(db, 1);
    announcer(db, nobodyToTell).tell(["default"]);
    await completed(heard!.id);
  });

  test("polling does without it", async () => {
    const worker = await idleWorker({ pollIntervalMs: 20 });
    await hangUp(worker);
    const jobs = await insertNew(db, 5);
    for (const { id } of jobs) await completed(id);
  });
});

describe("where notifications get lost, as behind a pooler in transaction mode", () => {
  test("a worker notices, says so, and works by polling", async () => {
    const own = connect({ address: db.address, name: "pooled", connections: 3, prepare: false });
    onTestFinished(() => own.close());
    const deaf = { ...own, listen: async () => {} };
    const worker = await startWorker(db, [work], { db: deaf, pollIntervalMs: 20 });
    const [job] = await insertNew(db, 1);
    await completed(job!.id);
    await worker.heard("notifications.degraded");
    expect(worker.notified).toBe(false);
    await worker.stop();
  });

  test("one that hears itself knows that it hears", async () => {
    const worker = await startWorker(db, [work], { pollIntervalMs: NEVER_MS });
    expect(worker.notified).toBe(true);
    expect(worker.of("notifications.degraded")).toEqual([]);
  });
});
