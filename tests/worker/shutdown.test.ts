import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, endings, leases, outcomes, stateOf, states } from "../support/facts.ts";
import { handler, obedient, stubborn } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { newWorker, startWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const running = (count: number) =>
  until(`${count} running jobs`, async () => (await states(db)).running === count);

async function expectGone() {
  expect(await leases(db)).toEqual([]);
  expect(await db.sql`select from jobsvc.workers`).toHaveLength(0);
}

describe("a worker that stops", () => {
  test("waits for what runs, within the grace", async () => {
    const finish = Promise.withResolvers<string>();
    const jobs = await insertNew(db, 3);
    const worker = await startWorker(db, [handler(() => finish.promise)]);
    await running(3);
    const stopping = worker.stop();
    await until("the others to see it drain", async () => {
      const [row] = await db.sql`select draining_at is not null as draining from jobsvc.workers`;
      return row?.draining;
    });
    expect(worker.of("worker.draining")).toEqual([{ worker_id: worker.id, running: 3 }]);
    finish.resolve("finished");
    await stopping;
    for (const { id } of jobs)
      expect(await endings(db, id)).toMatchObject([{ outcome: "completed", result: '"finished"' }]);
    await expectGone();
  });

  test("takes nothing new from the moment on, whoever wakes it", async () => {
    const finish = Promise.withResolvers<void>();
    await insertNew(db, 1);
    const worker = await startWorker(db, [handler(() => finish.promise)], { pollIntervalMs: 10 });
    await running(1);
    const stopping = worker.stop();
    const [late] = await insertNew(db, 1);
    worker.wake("default");
    finish.resolve();
    await stopping;
    expect(await stateOf(db, late!.id)).toBe("available");
    expect(worker.of("job.started")).toHaveLength(1);
  });

  test("breaks off after the grace what still runs, and gives it back", async () => {
    const reasons: unknown[] = [];
    const [heeding, ignoring] = await insertNew(db, 2);
    const worker = await startWorker(
      db,
      [
        handler((payload, context) => {
          context.signal.addEventListener("abort", () => reasons.push(context.signal.reason));
          return context.job.id === heeding!.id ? obedient(payload, context) : stubborn();
        }),
      ],
      { graceMs: 50 },
    );
    await running(2);
    await worker.stop();
    expect(reasons).toEqual(["released", "released"]);
    for (const job of [heeding, ignoring]) {
      expect(await endings(db, job!.id)).toMatchObject([
        { attempt: 1, outcome: "released", workerId: worker.id, error: null },
      ]);
      expect(await stateOf(db, job!.id)).toBe("available");
    }
    await expectGone();
  });

  test("has what it gave back run elsewhere at once, without waiting for a poll", async () => {
    const jobs = await insertNew(db, 5);
    const leaving = await startWorker(db, [handler(stubborn)], { graceMs: 0 });
    await running(5);
    const staying = await startWorker(db, [
      handler((_, { attempt }) => attempt),
      handler(() => "idle from now on", { kind: "client_agent" }),
    ]);
    await insertNew(db, 1, { kind: "client_agent" });
    staying.wake("default");
    await until("the other worker to be idle", async () => (await states(db)).completed === 1);
    await leaving.stop();
    await until("the jobs to be completed", async () => (await states(db)).completed === 6);
    for (const { id } of jobs)
      expect(await endings(db, id)).toMatchObject([
        { outcome: "released", workerId: leaving.id },
        { outcome: "completed", workerId: staying.id, result: "2" },
      ]);
  });

  test("uses up no attempt: a job with one attempt still has it", async () => {
    const [job] = await insertNew(db, 1, { maxAttempts: 1 });
    for (let restart = 0; restart < 3; restart++) {
      const worker = await startWorker(db, [handler(stubborn)], { graceMs: 0 });
      await running(1);
      await worker.stop();
    }
    const failing = handler(() => {
      throw new Error("its one real attempt");
    });
    await startWorker(db, [failing]);
    await until("its end", async () => (await stateOf(db, job!.id)) === "failed");
    expect(await outcomes(db, job!.id)).toEqual(["released", "released", "released", "failed"]);
  });

  test("gives back what it had taken ahead and not begun", async () => {
    const finish = Promise.withResolvers<void>();
    const definition = handler((payload) => (payload === "slow" ? finish.promise : undefined));
    await insertNew(db, 50);
    const worker = await startWorker(db, [definition], { queues: [{ name: "default", slots: 1 }] });
    await until("the tiny jobs", async () => (await states(db)).completed === 50);
    const slow = await insertNew(db, 1, { payload: '"slow"', priority: 1 });
    const ahead = await insertNew(db, 3);
    worker.wake("default");
    await running(4);
    const stopping = worker.stop();
    await until("the others to wait again", async () => (await states(db)).available === 3);
    finish.resolve();
    await stopping;
    expect(await outcomes(db, slow[0]!.id)).toEqual(["completed"]);
    for (const { id } of ahead) expect(await outcomes(db, id)).toEqual(["released"]);
    await expectGone();
  });

  test("is done at once when nothing runs, and does not mind a second stop", async () => {
    const worker = await startWorker(db, [handler(() => 1)], { graceMs: 600_000 });
    await Promise.all([worker.stop(), worker.stop()]);
    await worker.stop();
    await expectGone();
  });

  test("before it was started, has nothing to do", async () => {
    const worker = newWorker(db, [handler(() => 1)]);
    await worker.stop();
    await expectGone();
  });
});

describe("a worker that starts", () => {
  test("and stops many times over leaves nothing behind", async () => {
    const jobs = await insertNew(db, 200);
    for (let round = 0; round < 8; round++) {
      const worker = await startWorker(db, [handler(() => Bun.sleep(1))], {
        queues: [{ name: "default", slots: 4 }],
        graceMs: round % 2 ? 0 : 1_000,
      });
      await worker.stop();
    }
    await expectGone();
    const last = await startWorker(db, [handler(() => "done")], { queues: [{ name: "default", slots: 50 }] });
    await until("all jobs", async () => (await states(db)).completed === 200);
    await last.stop();
    await expectGone();
    for (const { id } of jobs) expect((await outcomes(db, id)).at(-1)).toBe("completed");
  });
});
