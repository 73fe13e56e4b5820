import { beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { connect, type Database } from "../../src/db/connect.ts";
import { registry } from "../../src/handlers/registry.ts";
import { type Endings, endings } from "../../src/worker/endings.ts";
import { holdings } from "../../src/worker/holdings.ts";
import { pool } from "../../src/worker/pool.ts";
import { reports } from "../../src/worker/reports.ts";
import { takes } from "../../src/worker/takes.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { ending, insertNew, marksOf, working } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { proxyTo } from "../support/proxy.ts";
import { NO_THREADS } from "../support/threads.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const proxy = await proxyTo(db.address);

beforeEach(async () => {
  proxy.restore();
  await clear(db);
});

/** A buffer that reaches the database through the proxy, for the taken jobs of a worker. */
async function distantBuffer(count: number, onRoom = () => {}) {
  const { worker, jobs } = await working(db, count);
  const events = recorder();
  const distant = connect({ address: proxy.url, name: "distant", connections: 2, prepare: true });
  const buffer = endings({ db: distant, workerId: worker.id, emit: events.emit, onRoom });
  for (const job of jobs) buffer.expect(job);
  await buffer.start();
  onTestFinished(async () => {
    proxy.restore();
    await buffer.stop();
    await distant.close();
  });
  return { ...events, worker, jobs, buffer };
}

describe("while the database is away", () => {
  test("endings are kept, and written when it is back; only a stop gives up", async () => {
    const waiting = await distantBuffer(600);
    const stopping = await distantBuffer(1);
    proxy.cut();
    for (const { buffer, jobs } of [waiting, stopping])
      for (const job of jobs) buffer.handIn(job, ending(job));
    const stopped = stopping.buffer.stop().then(
      () => "written",
      (error) => error,
    );
    await waiting.heard("step.failed", ({ step }) => step === "endings");
    expect(await stopped).toBeInstanceOf(Error);
    expect(await states(db)).toEqual({ running: 601 });

    proxy.restore();
    await until("the endings that were kept", async () => (await states(db)).completed === 600);
    expect(waiting.of("job.ending_lost")).toEqual([]);
  });
});

describe("a full buffer", () => {
  test("tells of room again, also when it was filled in the middle of a write", async () => {
    const { worker, jobs } = await working(db, 8_000);
    const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const gated: Database = {
      ...db,
      async run(statement) {
        begun.resolve();
        await gate.promise;
        return await db.run(statement);
      },
    };
    const room = Promise.withResolvers<void>();
    const buffer = endings({ db: gated, workerId: worker.id, emit: () => {}, onRoom: room.resolve });
    for (const job of jobs) buffer.expect(job);
    await buffer.start();
    onTestFinished(() => buffer.stop());

    for (const job of jobs.slice(0, 4_000)) buffer.handIn(job, ending(job));
    await begun.promise;
    for (const job of jobs.slice(4_000)) buffer.handIn(job, ending(job));
    expect(buffer.full).toBe(true);
    gate.resolve();
    await room.promise;
    expect(buffer.full).toBe(false);
  });

  test("holds back takes until its endings are written", async () => {
    const { buffer, jobs, worker } = await distantBuffer(8_000, () => taking.wake());
    proxy.cut();
    for (const job of jobs.slice(1)) buffer.handIn(job, ending(job));
    expect(buffer.full).toBe(false);
    buffer.handIn(jobs[0]!, ending(jobs[0]!));
    expect(buffer.full).toBe(true);

    await insertNew(db, 1);
    const held = holdings();
    const marks = await marksOf(db, "default", ["ai_agent"]);
    let looked = 0;
    const watched: Endings = {
      ...buffer,
      get full() {
        looked++;
        return buffer.full;
      },
    };
    const taking = pool({
      workerId: worker.id,
      source: { queue: "default", slots: 5, kinds: ["ai_agent"], inThreads: false },
      marks: () => marks,
      take: takes({ db, workerId: worker.id, holdings: held, failLost: [] }),
      threads: NO_THREADS,
      registry: registry([handler(() => "ran")]),
      holdings: held,
      endings: watched,
      reports: reports({ db, workerId: worker.id, emit: () => {} }),
      emit: () => {},
      defaultTimeoutMs: 1_000,
      graceMs: 1_000,
    });
    await taking.start();
    onTestFinished(() => taking.stop());
    for (const look of [1, 2, 3]) {
      await until("a look at the buffer", () => looked >= look);
      taking.wake();
    }
    expect(held.size).toBe(0);
    expect(await states(db)).toEqual({ running: 8_000, available: 1 });

    // Nobody polls: that there is room again is told.
    proxy.restore();
    await until("everything to be done", async () => (await states(db)).completed === 8_001);
    expect(buffer.full).toBe(false);
  });
});
