import { beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { progress } from "../../src/lifecycle/progress.ts";
import { rescuer } from "../../src/maintenance/rescuer.ts";
import { maintenance } from "../../src/maintenance/task.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { type Recorder, recorder } from "../support/events.ts";
import { insertNew } from "../support/factory.ts";
import { clear, endings, leases, outcomes, stateOf } from "../support/facts.ts";
import { handler, stubborn } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { newWorker, startWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

interface WorkerRow {
  id: string;
  name: string;
  queues: string[];
  kinds: string[];
  slots: number;
  lives: boolean;
  draining: boolean;
}

async function workers(): Promise<WorkerRow[]> {
  return await db.sql<WorkerRow[]>`
    select id, name, to_json(queues) as queues, to_json(kinds) as kinds, slots,
      expires_at > now() as lives, draining_at is not null as draining
    from jobsvc.workers`;
}

/** A node that looks for lost work, as every node does. */
async function sweeping(ttlMs: number): Promise<Recorder> {
  const events = recorder();
  const sweeper = maintenance(
    rescuer({ db, emit: events.emit, workerTtlMs: ttlMs, maxLosses: 3 }),
    events.emit,
  );
  await sweeper.start();
  onTestFinished(() => sweeper.stop());
  return events;
}

describe("a worker's presence", () => {
  test("is there when it has started, tells what it does, and goes with it", async () => {
    const queues = [
      { name: "default", slots: 3 },
      { name: "mail", slots: 4 },
    ];
    const worker = await startWorker(db, [handler(() => 1)], { queues });
    expect(await workers()).toEqual([
      {
        id: worker.id,
        name: "test worker",
        queues: ["default", "mail"],
        kinds: ["ai_agent"],
        slots: 7,
        lives: true,
        draining: false,
      },
    ]);
    await worker.stop();
    expect(await workers()).toEqual([]);
    expect(worker.of("worker.stopped")).toEqual([{ worker_id: worker.id }]);
  });

  test("may come ahead of the rest, which takes jobs in its turn; and goes where that never starts", async () => {
    const [job] = await insertNew(db, 1);
    const [worker, other] = [newWorker(db, [handler(() => 1)]), newWorker(db, [handler(() => 1)])];
    await Promise.all([worker.ahead.start(), other.ahead.start()]);
    expect(await workers()).toHaveLength(2);
    expect(worker.notified).toBe(true);
    await other.ahead.stop();
    expect(await workers()).toMatchObject([{ id: worker.id }]);
    expect(await stateOf(db, job!.id)).toBe("available");
    await worker.start();
    await until("the job to have ended", async () => (await stateOf(db, job!.id)) === "completed");
    await worker.stop();
    expect(await workers()).toEqual([]);
  });

  test("is told of like that of a loop, beat by beat, until it goes", async () => {
    const beats = () => progress().filter(({ name }) => name === "beat");
    const worker = await startWorker(db, [handler(() => 1)], { ttlMs: 900 });
    expect(beats()).toHaveLength(1);
    const sinceMs = performance.now();
    await until("a beat after this", () => beats()[0]!.agoMs < performance.now() - sinceMs - 1);
    await worker.stop();
    expect(beats()).toHaveLength(0);
  });

  test("is renewed for as long as it lives", async () => {
    await startWorker(db, [handler(() => 1)], { ttlMs: 1_000 });
    const expiry = async () => {
      const [row] = await db.sql<{ at: string }[]>`select expires_at::text as at from jobsvc.workers`;
      return row?.at;
    };
    const first = await expiry();
    await until("a later beat", async () => (await expiry()) !== first);
  });
});

describe("a worker whose event loop is blocked for longer than its time to live", () => {
  // Two seconds instead of the least of one, for a machine that is busy with other tests.
  const TTL_MS = 2_000;
  const BLOCKED_MS = 4_500;

  test("still beats, and disowns nothing that it took just before: nobody takes its job", async () => {
    const [job] = await insertNew(db, 1, { payload: `${BLOCKED_MS}` });
    const sweeper = await sweeping(TTL_MS);
    const script = join(import.meta.dir, "..", "support", "blocking_worker.ts");
    const child = Bun.spawn([process.execPath, script, JSON.stringify([db.address, TTL_MS])], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await child.exited;
    });
    await until("the job to have ended", async () => (await stateOf(db, job!.id)) === "completed");
    const [ending, ...others] = await endings(db, job!.id);
    expect(others).toEqual([]);
    expect(ending).toMatchObject({ attempt: 1, outcome: "completed" });
    expect(Number(ending!.finishedAt) - Number(ending!.startedAt)).toBeGreaterThan(2 * TTL_MS);
    expect(sweeper.of("jobs.rescued")).toEqual([]);
    child.stdin.end();
    expect(await child.exited).toBe(0);
    expect(await workers()).toEqual([]);
  });
});

describe("a worker that the others took for dead", () => {
  test("breaks off what it lost, and registers again", async () => {
    const reasons: unknown[] = [];
    const worker = await startWorker(
      db,
      [
        handler((_, { attempt, signal }) => {
          if (attempt > 1) return "on the second try";
          signal.addEventListener("abort", () => reasons.push(signal.reason));
          return stubborn();
        }),
      ],
      { ttlMs: 1_000, pollIntervalMs: 50 },
    );
    const [job] = await insertNew(db, 1);
    await until("the job to run", async () => (await stateOf(db, job!.id)) === "running");
    await until("its rescue", async () => {
      // Between two beats, and in one go, or the next beat would save it.
      await db.sql`update jobsvc.workers set expires_at = now() - interval '1 second'`;
      return (await rescueJobs(db, { maxLosses: 3, limit: 10 })).lost === 1;
    });
    await worker.heard("worker.leases_lost", ({ leases }) => leases === 1);
    await until("the second try", async () => (await stateOf(db, job!.id)) === "completed");
    expect(reasons).toEqual(["lost"]);
    expect(await outcomes(db, job!.id)).toEqual(["lost", "completed"]);
    expect(await workers()).toMatchObject([{ id: worker.id, lives: true }]);
    expect(worker.of("job.ending_lost")).toEqual([]);
  });
});

describe("a lease that its worker knows nothing of", () => {
  test("does not hold its jobs for ever", async () => {
    const sweeper = await sweeping(1_000);
    const worker = await startWorker(db, [handler(() => "done")], { ttlMs: 1_000, pollIntervalMs: 50 });
    // As when the answer of a take got lost: the database has given the job, the process never heard.
    const [job] = await insertNew(db, 1, { kind: "client_agent" });
    await db.sql`
      with block as (delete from jobsvc.ready returning *)
      insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, job_ids)
      select ${worker.id}, queue, kind, priority, attempt, job_ids from block`;
    await sweeper.heard("jobs.rescued");
    expect(await outcomes(db, job!.id)).toEqual(["lost"]);
    expect(await leases(db)).toEqual([]);
  });
});
