import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import type { TakenJob } from "../../src/job/job.ts";
import { MAX_ATTEMPT_LINES, MAX_LINE_BYTES } from "../../src/job/line_data.ts";
import { type Reports, reports } from "../../src/worker/reports.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { insertNew, working } from "../support/factory.ts";
import { clear, endings, stateOf } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { type LineRow, linesOf } from "../support/lines.ts";
import { proxyTo } from "../support/proxy.ts";
import { until } from "../support/until.ts";
import { startWorker } from "../support/worker.ts";

const db = await testDatabase();
const proxy = await proxyTo(db.address);

beforeEach(async () => {
  proxy.restore();
  await clear(db);
});

/** What jobs of a worker tell, on the way to the database. */
async function buffered(count = 1, address = db.address) {
  const { worker, jobs } = await working(db, count);
  const events = recorder();
  const own = connect({ address, name: "reports", connections: 2, prepare: true });
  const buffer = reports({ db: own, workerId: worker.id, emit: events.emit });
  await buffer.start();
  onTestFinished(async () => {
    proxy.restore();
    await buffer.stop();
    await own.close();
  });
  return { ...events, buffer, jobs, job: jobs[0]! };
}

const parsed = (lines: LineRow[]) => lines.map(({ type, data }) => [type, JSON.parse(data)]);

async function written(buffer: Reports, job: TakenJob, tell: (report: ReturnType<Reports["open"]>) => void) {
  const report = buffer.open(job);
  tell(report);
  await report.close();
  return parsed(await linesOf(db, job.id));
}

describe("what a handler tells", () => {
  test("is written as it was told, in order", async () => {
    const { buffer, job } = await buffered();
    const lines = await written(buffer, job, ({ progress, log, emit }) => {
      progress(0);
      log("hello");
      emit("chunk");
      log("with fields", { a: 1, b: [null] });
      progress(33.3, "a third");
      emit({ any: ["json", 1, null] });
      emit(null);
    });
    expect(lines).toEqual([
      ["progress", { percent: 0 }],
      ["log", { message: "hello" }],
      ["output", { chunk: "chunk" }],
      ["log", { message: "with fields", fields: { a: 1, b: [null] } }],
      ["progress", { percent: 33.3, message: "a third" }],
      ["output", { chunk: { any: ["json", 1, null] } }],
      ["output", { chunk: null }],
    ]);
  });

  test("needs no end of the attempt to be seen", async () => {
    const { buffer, job } = await buffered();
    buffer.open(job).log("on my way");
    await until("the line", async () => (await linesOf(db, job.id)).length === 1);
  });

  test("is made fit where that has a meaning", async () => {
    const { buffer, job } = await buffered();
    const lines = await written(buffer, job, ({ progress, log, emit }) => {
      progress(-5);
      progress(Number.POSITIVE_INFINITY);
      log(7 as never);
      emit(undefined);
      log("NUL \0, half a pair \ud800, two\nlines");
    });
    expect(lines.map(([, data]) => data)).toEqual([
      { percent: 0 },
      { percent: 100 },
      { message: "7" },
      { chunk: null },
      { message: "NUL \0, half a pair \ud800, two\nlines" },
    ]);
  });

  const circular: { self?: unknown } = {};
  circular.self = circular;
  const hostile = {
    toJSON() {
      throw new Error("not me");
    },
  };
  test.each([
    ["a circle", circular],
    ["a BigInt", 1n],
    ["a function", () => 1],
    ["an object that refuses", hostile],
    ["too much", "x".repeat(MAX_LINE_BYTES)],
    ["too much in bytes", "é".repeat(MAX_LINE_BYTES / 2)],
  ])("and is %s is left out, said to be missing in its place, and harms nothing", async (_, chunk) => {
    const { buffer, job, of } = await buffered();
    const lines = await written(buffer, job, ({ emit, log }) => {
      log("before");
      emit(chunk);
      log("after");
    });
    const kept = lines.filter(([, data]) => data.dropped === undefined).map(([, data]) => data.message);
    expect(kept).toEqual(["before", "after"]);
    expect(of("reports.dropped")).toMatchObject([{ job_id: job.id, attempt: 1, lines: 1 }]);
  });

  test("and the database does not want is left out, and nothing else of its group", async () => {
    const { buffer, jobs, of } = await buffered(2);
    await db.sql`alter table jobsvc.events add constraint unwanted check (data::text not like '%poison%')`;
    onTestFinished(async () => void (await db.sql`alter table jobsvc.events drop constraint unwanted`));
    const [one, other] = jobs.map((job) => buffer.open(job));
    for (let chunk = 0; chunk < 20; chunk++) one!.emit(chunk);
    other!.emit("poison");
    for (let chunk = 20; chunk < 40; chunk++) one!.emit(chunk);
    await Promise.all([one!.close(), other!.close()]);
    const chunks = parsed(await linesOf(db, jobs[0]!.id)).map(([, data]) => data.chunk);
    expect(chunks).toEqual(Array.from({ length: 40 }, (_, chunk) => chunk));
    expect(of("reports.dropped")).toMatchObject([{ job_id: jobs[1]!.id, lines: 1 }]);
  });

  test("and is missing is counted where it is missing", async () => {
    const { buffer, job } = await buffered();
    const lines = await written(buffer, job, ({ emit, progress }) => {
      emit(1n);
      emit(2n);
      progress(10);
      progress(Number.NaN);
      emit("x".repeat(MAX_LINE_BYTES - 12));
      emit(3n);
    });
    expect(
      lines.map(([type, data]) => (type === "output" ? "chunk" : (data.percent ?? data.dropped))),
    ).toEqual([2, 10, 1, "chunk", 1]);
    expect(lines[0]![1].message).toBe("2 lines are missing here: too much, too large or not JSON");
  });

  test("once its attempt has ended, is nobody's business", async () => {
    const { buffer, job, of } = await buffered();
    const report = buffer.open(job);
    report.log("in time");
    await report.close();
    report.log("late");
    report.emit(1n);
    expect(report.close()).toBeInstanceOf(Promise);
    await buffer.stop();
    expect(await linesOf(db, job.id)).toHaveLength(1);
    expect(of("reports.dropped")).toEqual([]);
  });

  test("is nothing at all for most jobs, and then nothing waits for it", async () => {
    const { buffer, job } = await buffered();
    expect(buffer.open(job).close()).toBeUndefined();
  });
});

describe("limits", () => {
  test("end what an attempt may tell, with one line that says how much is missing", async () => {
    const { buffer, job, of } = await buffered();
    const report = buffer.open(job);
    const more = 500;
    for (let chunk = 1; chunk <= MAX_ATTEMPT_LINES + more; chunk++) {
      report.emit(chunk);
      // As a handler that waits for something now and then, so that the buffer is not what is full.
      if (chunk % 5_000 === 0)
        await until(
          "the buffer to be written",
          async () => (await linesOf(db, job.id)).length >= chunk - 5_000,
        );
    }
    await report.close();
    const lines = parsed(await linesOf(db, job.id));
    expect(lines.slice(0, -1)).toEqual(
      Array.from({ length: MAX_ATTEMPT_LINES }, (_, place) => ["output", { chunk: place + 1 }]),
    );
    expect(lines.at(-1)).toEqual(["log", expect.objectContaining({ dropped: more })]);
    expect(of("reports.dropped")).toMatchObject([{ lines: more }]);
  });

  test("hold for all attempts of a process together, and the others are heard again afterwards", async () => {
    const { buffer, jobs, of } = await buffered(30);
    const open = jobs.map((job) => buffer.open(job));
    // In one turn of the event loop nothing can be written.
    for (const report of open) for (let chunk = 0; chunk < 1_000; chunk++) report.emit(chunk);
    await Promise.all(open.slice(0, -1).map((report) => report.close()));
    open.at(-1)!.emit("heard again");
    await open.at(-1)!.close();
    const counts = await Promise.all(jobs.map(async ({ id }) => (await linesOf(db, id)).length));
    const kept = counts.reduce((sum, count) => sum + count, 0);
    const dropped = of("reports.dropped").reduce((sum, { lines }) => sum + lines, 0);
    expect(dropped).toBeGreaterThan(0);
    expect(kept + dropped).toBe(30_000 + of("reports.dropped").length + 1);
    expect(parsed(await linesOf(db, jobs.at(-1)!.id)).slice(-2)).toEqual([
      ["log", expect.objectContaining({ dropped: 1_000 })],
      ["output", { chunk: "heard again" }],
    ]);
  });
});

describe("while the database is away", () => {
  test("an ending waits for its lines no longer than for one deadline; running attempts keep theirs", async () => {
    const { buffer, jobs, of, heard } = await buffered(2, proxy.url);
    const [running, ending] = jobs.map((job) => buffer.open(job));
    proxy.cut();
    running!.log("kept");
    ending!.log("given up");
    await ending!.close();
    expect(of("reports.dropped")).toMatchObject([{ job_id: jobs[1]!.id, lines: 1 }]);
    await heard("step.failed", ({ step }) => step === "reports");
    proxy.restore();
    await running!.close();
    expect(parsed(await linesOf(db, jobs[0]!.id))).toEqual([["log", { message: "kept" }]]);
    expect(await linesOf(db, jobs[1]!.id)).toEqual([]);
  });

  test("a stop gives up as well", async () => {
    const { buffer, job } = await buffered(1, proxy.url);
    proxy.cut();
    buffer.open(job).log("too late");
    await expect(buffer.stop()).rejects.toThrow();
  });
});

describe("a worker", () => {
  test("writes what an attempt told before its ending: who sees the end has seen it all", async () => {
    const [job] = await insertNew(db, 1);
    const go = Promise.withResolvers<void>();
    await startWorker(db, [
      handler(async (_, { log, emit }) => {
        log("begin");
        await go.promise;
        for (let chunk = 0; chunk < 100; chunk++) emit(chunk);
      }),
    ]);
    await until("the first line", async () => (await linesOf(db, job!.id)).length === 1);
    go.resolve();
    // One statement sees both or neither of what was committed together.
    const seen = await until("the ending", async () => {
      const [row] = await db.sql<{ ended: boolean; lines: number }[]>`
        select exists (select from jobsvc.attempts where job_id = ${job!.id}) as ended,
          (select count(*) from jobsvc.events where job_id = ${job!.id})::int as lines`;
      return row!.ended && row;
    });
    expect(seen.lines).toBe(101);
  });

  test("writes what an attempt told that fails, that is timed out, or that is released", async () => {
    const [failing, slow, held] = await insertNew(db, 3, { maxAttempts: 1 });
    await db.sql`update jobsvc.jobs set timeout_ms = 50 where id = ${slow!.id}`;
    const worker = await startWorker(
      db,
      [
        handler((_, { job, log }) => {
          log("last words");
          if (job.id === failing!.id) throw new Error("no");
          return new Promise<never>(() => {});
        }),
      ],
      { graceMs: 1 },
    );
    for (const { id } of [failing!, slow!])
      await until("the ending", async () => (await stateOf(db, id)) === "failed");
    await until("the held job to tell", async () => (await linesOf(db, held!.id)).length === 1);
    await worker.stop();
    for (const { id } of [failing!, slow!, held!]) {
      expect(parsed(await linesOf(db, id))).toEqual([["log", { message: "last words" }]]);
      expect(await endings(db, id)).toHaveLength(1);
    }
  });

  test("adds nothing to an attempt that somebody else has ended, and says how much that was", async () => {
    const [job] = await insertNew(db, 1);
    const go = Promise.withResolvers<void>();
    const worker = await startWorker(db, [
      handler(async (_, { log }) => {
        log("begin");
        await go.promise;
        log("stale");
        log("stale");
      }),
    ]);
    await until("the first line", async () => (await linesOf(db, job!.id)).length === 1);
    // Behind the worker's back: it hears of no cancellation.
    await db.sql`
      insert into jobsvc.attempts (job_id, attempt, outcome, finished_at) values (${job!.id}, 1, 'cancelled', now())`;
    go.resolve();
    expect(await worker.heard("reports.refused")).toEqual({ worker_id: worker.id, lines: 2 });
    await worker.heard("job.ending_lost");
    expect(await linesOf(db, job!.id)).toHaveLength(1);
  });
});
