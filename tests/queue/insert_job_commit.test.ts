import { beforeEach, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import type { JobInfo } from "../../src/handlers/define.ts";
import { announceNow } from "../../src/queue/announce.ts";
import { WORK_CHANNEL } from "../../src/queue/channels.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { blocks, clear, databaseNow, stateOf, states } from "../support/facts.ts";
import { handler } from "../support/handlers.ts";
import { insertJobBySql, insertJobsBySql, LETTER, refusal } from "../support/insert_by_sql.ts";
import { type Session, session } from "../support/session.ts";
import { until } from "../support/until.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();

beforeEach(() => clear(db));

/** For the jobs of this file, and for those of the factory. */
const both = (work: (job: JobInfo) => void = () => {}) =>
  ["letter", "ai_agent"].map((kind) => handler((_, { job }) => work(job), { kind }));

const completed = (id: string) =>
  until("the job to be completed", async () => (await stateOf(db, id)) === "completed");

describe("a job", () => {
  test("exists when its transaction has committed, and not before", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    const id = await insertJobBySql(shop.sql);
    expect(await stateOf(shop, id)).toBeDefined();
    expect(await stateOf(db, id)).toBeUndefined();
    expect(await blocks(db)).toEqual([]);
    await shop.sql`commit`;
    expect(await stateOf(db, id)).toBe("available");
    expect(await blocks(db)).toMatchObject([{ jobIds: [id] }]);
  });

  test("never exists when its transaction is rolled back", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    await insertJobBySql(shop.sql);
    await insertJobsBySql(shop.sql, [LETTER, LETTER]);
    await shop.sql`rollback`;
    expect(await states(db)).toEqual({});
    expect(await blocks(db)).toEqual([]);
  });

  test("goes with its savepoint, and those around it stay", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    const before = await insertJobBySql(shop.sql);
    await shop.sql`savepoint changed_my_mind`;
    const within = await insertJobBySql(shop.sql);
    await shop.sql`rollback to changed_my_mind`;
    const after = await insertJobBySql(shop.sql);
    await shop.sql`commit`;
    expect((await blocks(db)).flatMap(({ jobIds }) => jobIds)).toEqual([before, after]);
    expect(await stateOf(db, within)).toBeUndefined();
  });

  test("that is refused leaves the transaction usable, where a savepoint is", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    const id = await insertJobBySql(shop.sql);
    await shop.sql`savepoint bold`;
    const refused = insertJobBySql(shop.sql, { priority: "10" });
    await expect(refused).rejects.toEqual(refusal("priority must be an integer from 1 to 9"));
    await shop.sql`rollback to bold`;
    await shop.sql`commit`;
    expect((await blocks(db)).flatMap(({ jobIds }) => jobIds)).toEqual([id]);
  });

  test("can be inserted by a trigger, with the row that caused it", async () => {
    await db.sql.unsafe(`
      create table orders (number int, customer uuid);
      create function order_placed() returns trigger language plpgsql as $$
      begin
        perform jobsvc.insert_job(kind => 'letter', payload => new, user_id => new.customer, resource_id => new.customer);
        return new;
      end $$;
      create trigger placed after insert on orders for each row execute function order_placed();
      insert into orders values (1, '${LETTER.user_id}'), (2, '${LETTER.user_id}')`);
    const jobs = await db.sql`select payload::text as payload from jobsvc.jobs order by id`;
    expect(jobs.map(({ payload }) => JSON.parse(payload).number)).toEqual([1, 2]);
    await db.sql`drop table orders`;
    await db.sql`drop function order_placed`;
  });
});

describe("the wake", () => {
  /** What workers hear while `act` is done: all of it, for notifications keep their order. */
  async function heardDuring(act: (shop: Session) => Promise<unknown>): Promise<string[]> {
    const heard: string[] = [];
    const listener = connect({ address: db.address, name: "a listener", connections: 1, prepare: true });
    onTestFinished(() => listener.close());
    await listener.listen(
      WORK_CHANNEL,
      (payload) => heard.push(payload),
      () => undefined,
    );
    await using shop = session(db);
    await act(shop);
    await announceNow(db, ["the end"]);
    await until("the end", () => heard.at(-1) === "the end");
    return heard.slice(0, -1);
  }

  test("goes out once for each queue, and says when the transaction began", async () => {
    let began = 0;
    const heard = await heardDuring(async ({ sql }) => {
      await sql`begin`;
      began = (await sql`select now()`)[0]!.now.getTime();
      await insertJobBySql(sql);
      await insertJobBySql(sql, { queue: "'mail'" });
      await insertJobsBySql(sql, [LETTER, { ...LETTER, queue: "mail" }, { ...LETTER, queue: "post" }]);
      await sql`commit`;
    });
    expect(heard.toSorted()).toEqual(["default", "mail", "post"].map((queue) => `${queue} ${began}`));
  });

  test("does not go out for jobs that are not due, nor for those that never were", async () => {
    const heard = await heardDuring(async ({ sql }) => {
      await insertJobBySql(sql, { scheduled_at: "now() + interval '1 hour'" });
      await sql`begin`;
      await insertJobBySql(sql);
      await sql`rollback`;
      await sql`begin`;
      await sql`savepoint first`;
      await insertJobBySql(sql, { queue: "'mail'" });
      await sql`rollback to first`;
      await sql`commit`;
    });
    expect(heard).toEqual([]);
  });
});

describe("a transaction that is held open for long", () => {
  /** A worker whose marks stand above everything that was inserted so far. As it never polls, only wakes lead it. */
  async function workerFromHere(work = both(), changes = {}): Promise<TestWorker> {
    const inserted = await databaseNow(db);
    await until(
      "the marks' slack to be over",
      async () => (await databaseNow(db)).getTime() > inserted.getTime() + 500,
    );
    const worker = await startWorker(db, work, changes);
    const [job] = await insertNew(db, 1);
    worker.wake("default");
    await completed(job!.id);
    return worker;
  }

  test("keeps nobody waiting, and its jobs start when it commits, though the marks have passed them by", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    const late = [await insertJobBySql(shop.sql), ...(await insertJobsBySql(shop.sql, [LETTER, LETTER]))];
    const worker = await workerFromHere();

    const others = await insertNew(db, 200);
    worker.wake("default");
    for (const { id } of others) await completed(id);
    for (const id of late) expect(await stateOf(db, id)).toBeUndefined();

    await shop.sql`commit`;
    for (const id of late) await completed(id);
  });

  test("is seen at the next poll by a worker that hears nothing", async () => {
    await using shop = session(db);
    await shop.sql`begin`;
    const id = await insertJobBySql(shop.sql);
    const own = connect({ address: db.address, name: "a deaf worker", connections: 3, prepare: true });
    onTestFinished(() => own.close());
    const deaf = { db: { ...own, listen: async () => {} }, pollIntervalMs: 50 };
    const worker = await workerFromHere(undefined, deaf);
    await shop.sql`commit`;
    await completed(id);
    await worker.stop();
  });

  test("may be one of many that commit in any order under load: each job runs once, or never existed", async () => {
    const runs = new Map<string, number>();
    const counting = both(({ id }) => void runs.set(id, (runs.get(id) ?? 0) + 1));
    const shops = Array.from({ length: 24 }, () => session(db));
    onTestFinished(async () => void (await Promise.all(shops.map((shop) => shop.close()))));
    const held = await Promise.all(
      shops.map(async ({ sql }, n) => {
        await sql`begin`;
        const list = Array.from({ length: n % 4 }, () => ({ ...LETTER, priority: 1 + (n % 9) }));
        return [await insertJobBySql(sql), ...(await insertJobsBySql(sql, list))];
      }),
    );
    const workers = [await workerFromHere(counting), await startWorker(db, counting)];

    let busy = true;
    async function load() {
      while (busy) {
        await insertNew(db, 50);
        for (const worker of workers) worker.wake("default");
      }
    }
    const loading = load();
    const seed = Math.random();
    console.log(`the order of the commits: ${seed}`);
    const kept: string[] = [];
    for (const n of shuffled(shops.length, seed)) {
      if (n % 3 === 0) await shops[n]!.sql`rollback`;
      else {
        await shops[n]!.sql`commit`;
        kept.push(...held[n]!);
      }
    }
    busy = false;
    await loading;
    await until(
      "every job to be completed",
      async () => Object.keys(await states(db)).join() === "completed" && (await blocks(db)).length === 0,
    );
    for (const id of kept) expect(await stateOf(db, id)).toBe("completed");
    expect(kept.map((id) => runs.get(id))).toEqual(kept.map(() => 1));
    expect([...runs.values()].filter((times) => times > 1)).toEqual([]);
    const gone = held.flat().filter((id) => !kept.includes(id));
    for (const id of gone) expect(await stateOf(db, id)).toBeUndefined();
  });
});

/** The numbers below `length` in an order that the seed decides. */
function shuffled(length: number, seed: number): number[] {
  const rank = (n: number) => (Math.sin(seed * 1_000 + n) * 10_000) % 1;
  return Array.from({ length }, (_, n) => n).toSorted((a, b) => rank(a) - rank(b));
}
