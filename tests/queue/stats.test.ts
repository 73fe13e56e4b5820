import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { TransactionSql } from "postgres";
import type { TakenJob } from "../../src/job/job.ts";
import { cancelJobs } from "../../src/queue/cancel.ts";
import { changeJob } from "../../src/queue/change.ts";
import { deleteJobs } from "../../src/queue/delete.ts";
import { FIRST_PAGE, pruneJobs } from "../../src/queue/prune.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { retryJobs } from "../../src/queue/retry.ts";
import { type Counts, readStats } from "../../src/queue/stats.ts";
import { addUpTallies } from "../../src/queue/tally.ts";
import { withdrawCancelled } from "../../src/queue/withdraw.ts";
import { overConnection, testDatabase } from "../support/database.ts";
import { end, expire, insertNew, registered, take, working } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const NONE = {
  scheduled: 0,
  available: 0,
  running: 0,
  retryable: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
};

/** The same, by counting every job. */
async function counted(sql: TransactionSql): Promise<Counts[]> {
  const rows = await sql<{ queue: string; kind: string; state: keyof typeof NONE; jobs: number }[]>`
    select queue, kind, state, count(*)::int as jobs
    from jobsvc.jobs join jobsvc.job_states using (id)
    group by queue, kind, state order by queue, kind`;
  const lanes = new Map<string, Counts>();
  for (const { queue, kind, state, jobs } of rows) {
    const lane = lanes.get(`${queue} ${kind}`) ?? { queue, kind, ...NONE };
    lanes.set(`${queue} ${kind}`, { ...lane, [state]: jobs });
  }
  return [...lanes.values()];
}

const isEmpty = ({ queue: _, kind: __, ...counts }: Counts) =>
  Object.values(counts).every((jobs) => jobs === 0);

/** At one moment, for a job may be due in the next. A lane may still be told in which nothing is left. */
async function agree() {
  await db.sql.begin("isolation level repeatable read", async (sql) => {
    const stats = await readStats(overConnection(db, sql));
    expect(stats.filter((lane) => !isEmpty(lane))).toEqual(await counted(sql));
  });
}

describe("stats", () => {
  test("are empty at first", async () => {
    expect(await readStats(db)).toEqual([]);
  });

  test("tell of each queue and kind how many jobs are where", async () => {
    await insertNew(db, 2, { scheduledAt: new Date(Date.now() + 60_000) });
    await insertNew(db, 3, { queue: "mail", kind: "client_agent" });
    const { worker, jobs } = await working(db, 10);
    await end(db, worker, jobs.slice(0, 4), {}, []);
    await end(db, worker, jobs.slice(4, 6), { outcome: "failed" }, []);
    await end(db, worker, jobs.slice(6, 7), { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    await end(db, worker, jobs.slice(7, 8), { outcome: "snoozed", retryAfterMs: 0 }, []);
    await cancelJobs(db, [jobs[8]!.id]);
    const lane = { queue: "default", kind: "ai_agent", scheduled: 2, available: 1, running: 1, retryable: 1 };
    expect(await readStats(db)).toEqual([
      { ...lane, completed: 4, failed: 2, cancelled: 1 },
      { ...NONE, queue: "mail", kind: "client_agent", available: 3 },
    ]);
    await agree();
  });
});

const QUEUES = ["default", "mail"] as const;
const KINDS = ["ai_agent", "client_agent"] as const;

const what = fc.constantFrom(
  ...(["insert", "insert", "take", "take", "take", "complete", "complete", "fail", "try again"] as const),
  ...(["cancel", "retry", "delete", "change", "die", "rescue", "prune", "add up"] as const),
);
const step = fc.record({ what, queue: fc.nat(1), kind: fc.nat(1), count: fc.integer({ min: 1, max: 5 }) });
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Somebody who does one thing after the other; several of them do so at the same time. */
async function actor(steps: readonly Step[]) {
  let worker = await registered(db, { kinds: [...KINDS], queues: [...QUEUES] });
  let held: TakenJob[] = [];
  const known = async (count: number) =>
    ids(await db.sql<{ id: string }[]>`select id from jobsvc.jobs order by random() limit ${count}`);
  const finish = async (count: number, changes: Parameters<typeof end>[3]) => {
    const ending = held.splice(0, count);
    const open = new Set(held.map((job) => job.leaseId));
    const done = ending.map((job) => job.leaseId).filter((lease) => !open.has(lease));
    await end(db, worker, ending, changes, done);
  };
  for (const { what, queue, kind, count } of steps) {
    switch (what) {
      case "insert": {
        const scheduledAt = count === 5 ? new Date(Date.now() + 60_000) : null;
        await insertNew(db, count * 3, { queue: QUEUES[queue]!, kind: KINDS[kind]!, scheduledAt });
        break;
      }
      case "take":
        held.push(...(await take(db, worker, count * 2, { queue: QUEUES[queue]! })));
        break;
      case "complete":
        await finish(count, {});
        break;
      case "fail":
        await finish(count, { outcome: "failed" });
        break;
      case "try again":
        await finish(count, { outcome: "failed", failures: 1, retryAfterMs: count === 1 ? 60_000 : 0 });
        break;
      case "cancel":
        await cancelJobs(db, await known(count));
        break;
      case "retry":
        await retryJobs(db, await known(count));
        break;
      case "delete":
        await deleteJobs(db, await known(count));
        break;
      case "change":
        for (const id of await known(1)) await changeJob(db, id, { priority: count });
        break;
      case "die":
        await expire(db, worker);
        held = [];
        worker = await registered(db, { kinds: [...KINDS], queues: [...QUEUES] });
        break;
      case "rescue":
        await rescueJobs(db, { maxLosses: 2, limit: count });
        break;
      case "prune": {
        // Of ended jobs nothing is too young.
        const retention = { completedHours: -1, cancelledHours: -1, failedHours: -1 };
        await pruneJobs(db, { retention, limit: count, after: FIRST_PAGE });
        break;
      }
      case "add up":
        await addUpTallies(db);
        break;
      default:
        what satisfies never;
    }
  }
  await finish(held.length, {});
}

const seed = Number(process.env.STATS_SEED ?? Math.floor(Math.random() * 2 ** 31));

test(`stats are what counting finds, after whatever happens (STATS_SEED=${seed})`, async () => {
  const lives = fc.array(fc.array(step, { minLength: 10, maxLength: 30, size: "max" }), {
    minLength: 1,
    maxLength: 3,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(lives, async (lives) => {
      await clear(db);
      await Promise.all(lives.map(actor));
      // A cancel leaves a job in the block that a take holds; the next take would drop it.
      await withdrawCancelled(db, ids(await db.sql<{ id: string }[]>`select id from jobsvc.jobs`));
      await agree();
      while (await addUpTallies(db));
      await agree();
    }),
    { seed, numRuns: 40, interruptAfterTimeLimit: 10_000 },
  );
}, 60_000);
