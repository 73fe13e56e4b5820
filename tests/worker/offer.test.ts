import { beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type InserterParts, inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, newJob } from "../support/factory.ts";
import { clear, leases, outcomes, states } from "../support/facts.ts";
import { handler, stubborn } from "../support/handlers.ts";
import { until } from "../support/until.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

const many = (count: number) => Array.from({ length: count }, () => newJob());

/** Inserts as the API of the same process does; `waiting` are the queues that it was told of. */
function inserterBeside(worker: TestWorker, changes: Partial<InserterParts> = {}) {
  const waiting: string[] = [];
  const { insert } = inserter({
    db,
    onWaiting: (queues) => waiting.push(...queues),
    offer: worker.offer,
    ...changes,
  });
  return { insert, waiting };
}

/** A worker whose first take has found nothing. */
async function idleWorker(...[definition, slots = 2]: [Parameters<typeof handler>[0], number?]) {
  const queues = [{ name: "default", slots }];
  const worker = await startWorker(db, [handler(definition)], { queues, graceMs: 0 });
  await until("the first take", () => {
    const offer = worker.offer("default", 1);
    offer?.start([]);
    return offer !== undefined;
  });
  return worker;
}

describe("a job that is inserted beside an idle worker", () => {
  test("starts without a take, and nobody is told of it", async () => {
    const seen: string[] = [];
    const worker = await idleWorker((_, { job }) => void seen.push(job.id));
    const before = worker.statements();
    const { insert, waiting } = inserterBeside(worker);
    const [job] = many(1);
    await insert([job!]);
    expect(seen).toEqual([]); // who inserts is answered before a handler takes the thread
    await until("its ending", async () => (await states(db)).completed === 1);
    expect(seen).toEqual([job!.id]);
    expect(worker.statements() - before).toBe(1);
    expect(waiting).toEqual([]);
    await until("the end of its lease", async () => (await leases(db)).length === 0);
  });

  test("waits when there is no free slot, and others of its group take what there is", async () => {
    const worker = await idleWorker(stubborn, 2);
    const { insert, waiting } = inserterBeside(worker);
    await insert(many(5));
    expect(await states(db)).toEqual({ running: 2, available: 3 });
    expect(waiting).toEqual(["default"]);
    expect(worker.offer("default", 1)).toBeUndefined();
  });

  test("keeps its slot while it is inserted: no take gets it meanwhile, and none is forgotten", async () => {
    const worker = await idleWorker(() => "done", 1);
    const offer = worker.offer("default", 1)!;
    expect(worker.offer("default", 1)).toBeUndefined();
    await insertNew(db, 1);
    worker.wake("default");
    await Bun.sleep(0);
    expect(await states(db)).toEqual({ available: 1 });
    offer.start([]);
    await until("the job that waited", async () => (await states(db)).completed === 1);
  });

  test("is given back when the worker stops in this very moment", async () => {
    const worker = await idleWorker(() => "done", 3);
    const committed = Promise.withResolvers<void>();
    const slow = { ...db, run: (...args: Parameters<typeof db.run>) => db.run(...args) } as typeof db;
    slow.run = async (statement, deadlineMs) => {
      const rows = await db.run(statement, deadlineMs);
      await committed.promise;
      return rows;
    };
    const { insert } = inserterBeside(worker, { db: slow });
    const jobs = many(2);
    const inserted = insert(jobs);
    const stopped = worker.stop();
    committed.resolve();
    await Promise.all([inserted, stopped]);
    for (const { id } of jobs) expect(await outcomes(db, id)).toEqual(["released"]);
    expect(await leases(db)).toEqual([]);
    expect(worker.offer("default", 1)).toBeUndefined();
  });

  test("that is refused frees the slots again", async () => {
    const worker = await idleWorker(() => "done", 1);
    const { insert } = inserterBeside(worker);
    await expect(insert([newJob({ payload: "" })])).rejects.toThrow();
    await insert(many(1));
    await until("the next job", async () => (await states(db)).completed === 1);
  });
});
