import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Emit } from "../../src/observability/events.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { clear, endings, ids, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { linesOf } from "../support/lines.ts";
import { startThreadWorker, threadFile, threadHandlers } from "../support/threads.ts";
import { until } from "../support/until.ts";
import { NEVER_MS } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const completed = (count: number) =>
  until(`${count} completed jobs`, async () => (await states(db)).completed === count);

const resultsOf = async (jobs: readonly { id: string }[]) =>
  (await Promise.all(ids(jobs).map((id) => endings(db, id)))).flatMap((all) =>
    all.map(({ result }) => JSON.parse(result ?? "null")),
  );

/** Hears how many jobs of a kind run, and in which order their queues had their turn. */
function gauge(kind: string) {
  const seen = { now: 0, most: 0, queues: [] as string[] };
  const emit: Emit = (name, fields) => {
    if (!("kind" in fields) || fields.kind !== kind) return;
    if (name === "job.started") {
      seen.most = Math.max(seen.most, ++seen.now);
      seen.queues.push((fields as { queue: string }).queue);
    }
    if (name === "job.ended" || name === "job.broken_off") seen.now--;
  };
  return { seen, emit };
}

const BREAK_OFF = "await new Promise((_, reject) => context.signal.addEventListener('abort', reject));";

describe("threads", () => {
  test("run a job as the main thread does, and one after the other in the same thread", async () => {
    const handlers = await threadHandlers({ heavy: "return { runs, main: Bun.isMainThread };" });
    const jobs = await insertNew(db, 3, { kind: "heavy" });
    await startThreadWorker(db, handlers, { handlerThreads: 1 });
    await completed(3);
    expect(await resultsOf(jobs)).toEqual([1, 2, 3].map((runs) => ({ runs, main: false })));
  });

  test("are shared by kinds", async () => {
    const file = (kind: string) =>
      threadFile(
        kind,
        "globalThis.served = [...(globalThis.served ?? []), context.job.kind]; return served;",
      );
    const handlers = await threadHandlers({ heavy: file("heavy"), light: file("light") });
    const heavy = await insertNew(db, 1, { kind: "heavy" });
    const light = await insertNew(db, 1, { kind: "light" });
    await startThreadWorker(db, handlers, { handlerThreads: 1 });
    await completed(2);
    expect(await resultsOf([...heavy, ...light])).toEqual([["heavy"], ["heavy", "light"]]);
  });

  test("are no more than they may be; what waits for one waits in the queue, and takes no slot from others", async () => {
    const handlers = await threadHandlers({ heavy: BREAK_OFF });
    await insertNew(db, 40, { kind: "heavy", priority: 1 });
    await insertNew(db, 50);
    const { seen, emit } = gauge("heavy");
    await startThreadWorker(db, handlers, {
      definitions: [handler(() => Bun.sleep(1))],
      queues: [{ name: "default", slots: 5 }],
      handlerThreads: 3,
      graceMs: 0,
      emit,
    });
    await completed(50);
    await until("three busy threads", () => seen.now === 3);
    expect(await states(db)).toEqual({ running: 3, available: 37, completed: 50 });
    expect(seen.most).toBe(3);
  });

  test("are all used, again and again", async () => {
    const handlers = await threadHandlers({ heavy: "await Bun.sleep(5);" });
    await insertNew(db, 40, { kind: "heavy" });
    const { seen, emit } = gauge("heavy");
    await startThreadWorker(db, handlers, { handlerThreads: 4, pollIntervalMs: NEVER_MS, emit });
    await completed(40);
    expect(seen.most).toBe(4);
  });

  test("are no more for a queue than it has slots", async () => {
    const handlers = await threadHandlers({ heavy: BREAK_OFF });
    await insertNew(db, 5, { kind: "heavy" });
    const queues = [{ name: "default", slots: 2 }];
    await startThreadWorker(db, handlers, { handlerThreads: 4, graceMs: 0, queues });
    await until("two running jobs", async () => (await states(db)).running === 2);
    expect(await states(db)).toEqual({ running: 2, available: 3 });
  });

  test("are shared by queues: none with a backlog keeps the others waiting", async () => {
    const handlers = await threadHandlers({ heavy: "await Bun.sleep(2);" });
    const queues = ["a", "b", "c"].map((name) => ({ name, slots: 10 }));
    for (const { name } of queues) await insertNew(db, 10, { kind: "heavy", queue: name });
    const { seen, emit } = gauge("heavy");
    await startThreadWorker(db, handlers, { handlerThreads: 1, pollIntervalMs: NEVER_MS, queues, emit });
    await completed(30);
    expect(seen.most).toBe(1);
    for (const { name } of queues) {
      const turns = seen.queues.flatMap((queue, turn) => (queue === name ? [turn] : []));
      expect(turns).toHaveLength(10);
      expect(turns.at(4)).toBeLessThan(20);
    }
  });

  test("tell of their jobs while these run", async () => {
    const handlers = await threadHandlers({
      heavy: `context.progress(50, "half"); context.log("words", { n: 1 }); context.emit([1]); ${BREAK_OFF}`,
    });
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    await startThreadWorker(db, handlers, { graceMs: 0 });
    const lines = await until("three lines", async () => {
      const lines = await linesOf(db, job!.id);
      return lines.length === 3 && lines;
    });
    expect(lines.map(({ type, data }) => [type, JSON.parse(data)])).toEqual([
      ["progress", { percent: 50, message: "half" }],
      ["log", { message: "words", fields: { n: 1 } }],
      ["output", { chunk: [1] }],
    ]);
  });

  test("take no more lines than an attempt may leave, and say how many are missing", async () => {
    const handlers = await threadHandlers({ heavy: "for (let n = 0; n < 20_050; n++) context.emit(n);" });
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    const worker = await startThreadWorker(db, handlers);
    await completed(1);
    const lines = await linesOf(db, job!.id);
    expect(lines.slice(0, 20_000).every(({ data }, n) => data === `{"chunk":${n}}`)).toBe(true);
    expect(JSON.parse(lines.at(-1)!.data)).toMatchObject({ dropped: 50 });
    expect(worker.of("reports.dropped")).toMatchObject([{ job_id: job!.id, lines: 50 }]);
  });

  test("do not let a job that has ended speak for the next one", async () => {
    const handlers = await threadHandlers({
      heavy: `
        if (payload === "first") return void setTimeout(() => {
          context.log("late");
          context.spent({ input_tokens: 7 });
          globalThis.spoke = true;
        }, 10);
        while (!globalThis.spoke) await Bun.sleep(1);
        context.log("mine");`,
    });
    const first = await insertNew(db, 1, { kind: "heavy", payload: '"first"' });
    const second = await insertNew(db, 1, { kind: "heavy" });
    await startThreadWorker(db, handlers, { handlerThreads: 1 });
    await completed(2);
    const told = await Promise.all([...first, ...second].map(({ id }) => linesOf(db, id)));
    expect(told.map((lines) => lines.map(({ data }) => JSON.parse(data)))).toEqual([
      [],
      [{ message: "mine" }],
    ]);
  });

  test("count a job's time from its own beginning, and not the time to load", async () => {
    const file = threadFile("heavy", "return runs;", "timeoutMs: 1_000,");
    const handlers = await threadHandlers({
      heavy: `${file} if (!Bun.isMainThread) await Bun.sleep(1_500);`,
    });
    const [job] = await insertNew(db, 1, { kind: "heavy" });
    const worker = await startThreadWorker(db, handlers);
    await completed(1);
    expect(await endings(db, job!.id)).toMatchObject([{ outcome: "completed", result: "1" }]);
    expect(worker.of("job.ended")[0]!.ms).toBeLessThan(1_000);
  });

  test("fail the job when the file does not load any more, and say why", async () => {
    const handlers = await threadHandlers({ heavy: "return 1;" });
    await Bun.write(handlers[0]!.file, "export default half a file");
    const [job] = await insertNew(db, 1, { kind: "heavy", maxAttempts: 1 });
    await startThreadWorker(db, handlers);
    await until("its end", async () => (await states(db)).failed === 1);
    const [ending] = await endings(db, job!.id);
    expect(ending!.error!.name).toBe("LoadError");
    expect(ending!.error!.message).toContain("heavy.ts:1");
  });
});
