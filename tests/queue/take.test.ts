import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import type { WorkerIdentity } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { pauseQueue } from "../../src/queue/pause.ts";
import { takeJobs } from "../../src/queue/take.ts";
import { overConnection, testDatabase } from "../support/database.ts";
import {
  end,
  expire,
  insertNew,
  marksOf,
  newJob,
  passTime,
  registered,
  type Taking,
  take,
} from "../support/factory.ts";

const db = await testDatabase();

beforeEach(async () => {
  await db.sql`truncate jobsvc.jobs, jobsvc.ready, jobsvc.leases, jobsvc.attempts, jobsvc.workers, jobsvc.queues`;
});

const ids = (jobs: readonly { id: string }[]) => jobs.map((job) => job.id);

describe("take", () => {
  test("answers a job as it was inserted, on its first attempt, payload to the byte", async () => {
    const worker = await registered(db);
    const job = newJob({
      payload: '{"n": 1e400, "n":12345678901234567890,\t"s":"\\u0000"}',
      timeoutMs: 5000,
      maxAttempts: 7,
      metadata: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", other: 1 },
    });
    await insertJobs(db, [job]);
    const [taken] = await take(db, worker, 1);
    expect(taken).toMatchObject({
      id: job.id,
      kind: "ai_agent",
      queue: "default",
      priority: 5,
      payload: job.payload,
      userId: job.userId,
      resourceId: job.resourceId,
      maxAttempts: 7,
      timeoutMs: 5000,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      attempt: 1,
      failures: 0,
      losses: 0,
    });
  });

  test("tells each job its own lease, also where kinds alternate and the row of the first job is gone", async () => {
    const worker = await registered(db);
    const kinds = ["ai_agent", "client_agent", "ai_agent", "client_agent", "ai_agent"];
    const jobs = kinds.map((kind) => newJob({ kind }));
    for (const job of jobs) await insertJobs(db, [job]);
    await db.sql`delete from jobsvc.jobs where id = ${jobs[0]!.id}`;
    const marks = await marksOf(db, "default", ["ai_agent", "client_agent"]);
    const taken = await take(db, worker, 10, { kinds: ["ai_agent", "client_agent"], marks });
    expect(ids(taken)).toEqual(ids(jobs.slice(1)));
    for (const { id, kind, leaseId } of taken) {
      const [lease] =
        await db.sql`select kind from jobsvc.leases where id = ${leaseId} and ${id} = any (job_ids)`;
      expect(lease).toEqual({ kind });
    }
  });

  test("never answers more than the limit, and leaves the rest of a cut block for the next", async () => {
    const worker = await registered(db);
    const jobs = await insertJobs(
      db,
      Array.from({ length: 10 }, () => newJob()),
    );
    const first = await take(db, worker, 3);
    const second = await take(db, worker, 3);
    const third = await take(db, worker, 100);
    expect([first.length, second.length, third.length]).toEqual([3, 3, 4]);
    expect(ids([...first, ...second, ...third])).toEqual(jobs);
    expect(await take(db, worker, 1)).toEqual([]);
  });

  test("gives every attempt to one taker, however many take at once", async () => {
    const workers = await Promise.all(Array.from({ length: 8 }, () => registered(db)));
    for (let block = 0; block < 20; block++) await insertNew(db, 1 + (block % 7) * 9);
    const jobs = (await db.sql`select id from jobsvc.jobs`).map((row) => row.id);
    const taken: string[] = [];
    await Promise.all(
      workers.map(async (worker) => {
        for (;;) {
          const jobs = await take(db, worker, 7, { blocks: 3 });
          taken.push(...ids(jobs));
          if (jobs.length === 0 && (await db.sql`select from jobsvc.ready`).length === 0) return;
        }
      }),
    );
    expect(taken.toSorted()).toEqual(jobs.toSorted());
  });

  test("goes by priority, then by age, also across kinds and blocks", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    const inserted = [];
    for (const priority of [9, 3, 1, 5, 7, 2, 4, 8, 6]) {
      inserted.push(
        ...(await insertNew(db, 2, { priority, kind: priority % 2 ? "ai_agent" : "client_agent" })),
      );
    }
    const taken = [];
    for (;;) {
      const jobs = await take(db, worker, 5);
      if (jobs.length === 0) break;
      taken.push(...jobs);
    }
    expect(taken.map((job) => job.priority)).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]);
    expect(ids(taken)).toEqual(ids(inserted.toSorted((a, b) => a.priority - b.priority)));
  });

  test("goes to the oldest head among kinds of one priority", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    const [old] = await insertNew(db, 1, { kind: "client_agent" });
    await insertNew(db, 5, { kind: "ai_agent" });
    expect(ids(await take(db, worker, 1))).toEqual([old!.id]);
  });

  test("never takes a scheduled job early, and takes it when its time has come", async () => {
    const worker = await registered(db);
    const [job] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    expect(await take(db, worker, 1)).toEqual([]);
    await passTime(db, 59_000);
    expect(await take(db, worker, 1)).toEqual([]);
    await passTime(db, 1_001);
    await registered(db, worker);
    expect(ids(await take(db, worker, 1))).toEqual([job!.id]);
  });

  test("counts a schedule in the past as now, behind what has waited longer", async () => {
    const worker = await registered(db);
    const [first] = await insertNew(db, 1);
    const [second] = await insertNew(db, 1, { scheduledAt: new Date("2024-01-01T12:00:00Z") });
    expect(ids(await take(db, worker, 2))).toEqual([first!.id, second!.id]);
  });

  test("leaves jobs of unknown kinds to a worker that knows them", async () => {
    const worker = await registered(db);
    const [unknown] = await insertNew(db, 1, { kind: "video" });
    const [known] = await insertNew(db, 1);
    expect(ids(await take(db, worker, 10))).toEqual([known!.id]);
    const other = await registered(db, { kinds: ["video"] });
    expect(ids(await take(db, other, 10))).toEqual([unknown!.id]);
  });

  test("leaves out what was cancelled while it waited, and takes its neighbours", async () => {
    const worker = await registered(db);
    const jobs = await insertNew(db, 5);
    await cancelJob(db, jobs[1]!.id);
    await cancelJob(db, jobs[4]!.id);
    expect(ids(await take(db, worker, 10))).toEqual(ids([jobs[0]!, jobs[2]!, jobs[3]!]));
  });

  test("drops a cancelled job that is still in its block", async () => {
    const worker = await registered(db);
    const jobs = await insertNew(db, 3);
    // As when the block was being taken at the moment of the cancel: the ending is there, the place too.
    await db.sql`insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
      values (${jobs[0]!.id}, 1, 'cancelled', now())`;
    expect(ids(await take(db, worker, 10))).toEqual(ids(jobs.slice(1)));
  });

  test("takes nothing of a paused queue", async () => {
    const worker = await registered(db);
    await insertNew(db, 1);
    await db.sql`insert into jobsvc.queues (name, paused_at) values ('default', now())`;
    expect(await take(db, worker, 1)).toEqual([]);
    await db.sql`update jobsvc.queues set paused_at = null`;
    expect(await take(db, worker, 1)).toHaveLength(1);
  });

  test("gives nothing to a worker that the others take for dead", async () => {
    const worker = await registered(db);
    await insertNew(db, 1);
    await expire(db, worker);
    expect(await take(db, worker, 1)).toEqual([]);
  });

  test("passes by a block that another taker holds, without waiting", async () => {
    const worker = await registered(db);
    const [locked] = await insertNew(db, 1);
    const [free] = await insertNew(db, 1);
    await db.sql.begin(async (sql) => {
      await sql`select from jobsvc.ready where ${locked!.id} = any (job_ids) for update`;
      expect(ids(await take(db, worker, 10))).toEqual([free!.id]);
    });
    expect(ids(await take(db, worker, 10))).toEqual([locked!.id]);
  });

  test("marks the leases of kinds that must not run twice, and no others", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "video"] });
    await insertNew(db, 1);
    await insertNew(db, 1, { kind: "video" });
    await take(db, worker, 10, { failLost: ["video", "audio"] });
    const marks = await db.sql`select kind, fail_lost from jobsvc.leases order by kind`;
    expect(marks.map((row) => ({ ...row }))).toEqual([
      { kind: "ai_agent", fail_lost: false },
      { kind: "video", fail_lost: true },
    ]);
  });

  test("locks no more blocks than it was told", async () => {
    const [first, second] = [await registered(db), await registered(db)];
    for (let block = 0; block < 4; block++) await insertNew(db, 1);
    await db.sql.begin(async (sql) => {
      const marks = await marksOf(db, "default", ["ai_agent"]);
      await take(overConnection(db, sql), first, 1, { marks, blocks: 1, suspects: false });
      expect(await take(db, second, 10)).toHaveLength(3);
    });
  });

  test("starts at the mark of a lane, and a fresh mark finds what was committed late", async () => {
    const worker = await registered(db);
    const marks = await marksOf(db, "default", ["ai_agent"]);
    const [late] = await insertNew(db, 1);
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 minute'`;
    expect(await take(db, worker, 1, { marks })).toEqual([]);
    expect(ids(await take(db, worker, 1))).toEqual([late!.id]);
  });

  test("a million future jobs do not slow a take of a due one", async () => {
    await db.sql`
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
      select 'default', 'ai_agent', 5, now() + interval '1 hour' + n * interval '1 second', 1, array[gen_random_uuid()]
      from generate_series(1, 1000000) n`;
    // Registered last, for the million takes longer than a worker may be silent.
    const worker = await registered(db);
    await insertNew(db, 1);
    await db.sql.begin(async (sql) => {
      expect(await take(overConnection(db, sql), worker, 100)).toHaveLength(1);
      // Rows read, not milliseconds: they are the same on every machine.
      const [read] = await sql`
        select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'ready'`;
      expect(Number(read!.rows)).toBeLessThan(20);
    });
  }, 120_000);

  test("takes one suspect alone out of a block that it shares with others", async () => {
    const worker = await registered(db);
    const suspects = await insertNew(db, 3);
    await db.sql`update jobsvc.ready set losses = 2`;
    const ordinary = await insertNew(db, 4);
    for (const suspect of suspects) expect(ids(await take(db, worker, 2))).toContain(suspect.id);
    expect(ids(await take(db, worker, 10))).toEqual([ordinary[3]!.id]);
  });

  test("takes at most one suspect at a time, and ordinary jobs beside it", async () => {
    const worker = await registered(db);
    await insertNew(db, 3);
    const suspects = await take(db, worker, 3);
    for (let loss = 0; loss < 2; loss++) await loseAll();
    const [ordinary] = await insertNew(db, 1);
    const taken = await take(db, worker, 10);
    expect(taken).toHaveLength(2);
    expect(ids(taken)).toContain(ordinary!.id);
    expect(ids(suspects)).toContain(taken.find((job) => job.losses === 2)!.id);
    expect(await take(db, worker, 10, { suspects: false })).toEqual([]);
    await end(db, worker, taken);
    expect((await take(db, worker, 10)).map((job) => job.losses)).toEqual([2]);

    async function loseAll() {
      await db.sql`update jobsvc.ready set losses = losses + 1`;
      await db.sql`
        insert into jobsvc.ready (queue, kind, priority, run_at, attempt, losses, job_ids)
        select queue, kind, priority, now(), attempt + 1, losses + 1, array[job_id]
        from jobsvc.leases, unnest(job_ids) job_id`;
      await db.sql`delete from jobsvc.leases`;
    }
  });
});

/** What is taken for several asks by one statement: the ids, ask by ask. */
async function takeAll(db: Database, worker: WorkerIdentity, asks: (Taking & { queue: string })[]) {
  const each = asks.map(async (ask) => {
    const marks = await marksOf(db, ask.queue, worker.kinds);
    return { kinds: worker.kinds, marks, limit: 10, blocks: 10, suspects: false, ...ask };
  });
  const taken = await takeJobs(db, { workerId: worker.id, asks: await Promise.all(each), failLost: [] });
  return taken.map(({ jobs }) => ids(jobs));
}

describe("a take from several queues", () => {
  test("gives each ask its own jobs, as many as it wants, in their order", async () => {
    const worker = await registered(db);
    const mail = await insertNew(db, 3, { queue: "mail" });
    const late = await insertNew(db, 2, { queue: "video", priority: 6 });
    const early = await insertNew(db, 2, { queue: "video", priority: 4 });
    await insertNew(db, 2, { queue: "closed" });
    await pauseQueue(db, "closed");
    const asks = [
      { queue: "mail", limit: 2 },
      { queue: "nothing" },
      { queue: "video", limit: 3 },
      { queue: "closed" },
    ];
    expect(await takeAll(db, worker, asks)).toEqual([
      ids(mail.slice(0, 2)),
      [],
      ids([...early, late[0]!]),
      [],
    ]);
    expect(await takeAll(db, worker, asks)).toEqual([ids(mail.slice(2)), [], ids(late.slice(1)), []]);
  });

  test("leases each queue for itself", async () => {
    const worker = await registered(db);
    for (const queue of ["mail", "video"]) await insertNew(db, 2, { queue });
    await takeAll(db, worker, [{ queue: "mail" }, { queue: "video" }]);
    const held = await db.sql`select queue, cardinality(job_ids) as jobs from jobsvc.leases order by queue`;
    expect([...held]).toEqual([
      { queue: "mail", jobs: 2 },
      { queue: "video", jobs: 2 },
    ]);
  });

  test("brings a suspect for the one ask that may have it", async () => {
    const worker = await registered(db);
    const [mail] = await insertNew(db, 1, { queue: "mail" });
    await insertNew(db, 1, { queue: "video" });
    await db.sql`update jobsvc.ready set losses = 2`;
    expect(await takeAll(db, worker, [{ queue: "video" }, { queue: "mail", suspects: true }])).toEqual([
      [],
      [mail!.id],
    ]);
  });
});

describe("leases", () => {
  test("are no larger than a row can be, whether the jobs waited in large blocks or alone", async () => {
    const worker = await registered(db);
    await insertNew(db, 150);
    for (let job = 0; job < 60; job++) await insertNew(db, 1);
    expect(await take(db, worker, 210)).toHaveLength(210);
    const sizes = await db.sql`select cardinality(job_ids) as jobs from jobsvc.leases order by jobs`;
    expect(sizes.map(({ jobs }) => jobs)).toEqual([10, 100, 100]);
  });

  test("say of each job how long it has waited, also where several blocks go under one", async () => {
    const worker = await registered(db);
    const [old] = await insertNew(db, 1);
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 minute'`;
    const [young] = await insertNew(db, 1);
    const taken = await take(db, worker, 2);
    expect(ids(taken)).toEqual([old!.id, young!.id]);
    expect(new Set(taken.map(({ leaseId }) => leaseId)).size).toBe(1);
    expect(taken[0]!.waitedMs).toBeWithin(60_000, 120_000);
    expect(taken[1]!.waitedMs).toBeLessThan(60_000);
  });
});

test("a search for suspects does not wade through a lane of others", async () => {
  await db.sql`
    insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
    select 'default', 'ai_agent', 5, now() - interval '1 hour', 1, array[gen_random_uuid()]
    from generate_series(1, 10000) n`;
  const worker = await registered(db);
  await db.sql.begin(async (sql) => {
    await take(overConnection(db, sql), worker, 1);
    const [read] = await sql`
      select seq_tup_read + idx_tup_fetch as rows from pg_stat_xact_user_tables where relname = 'ready'`;
    expect(Number(read!.rows)).toBeLessThan(20);
  });
});
