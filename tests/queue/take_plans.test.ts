import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, marksOf, registered, take } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";
import { pull } from "../support/pulling.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const LIMIT = 10;

/** What a planner may be talked out of, one at a time and most of it together. */
const PLANS = [
  [],
  ["hashjoin"],
  ["mergejoin"],
  ["nestloop"],
  ["seqscan"],
  ["indexscan", "indexonlyscan"],
  ["bitmapscan"],
  ["sort"],
  ["material"],
  ["hashagg"],
  ["memoize"],
  ["hashjoin", "mergejoin"],
  ["nestloop", "indexscan", "bitmapscan"],
  ["nestloop", "mergejoin", "material", "memoize"],
];

/** A limit in a subquery counts for each time that it is run, and a planner may choose to run it more than once. */
describe("take, whatever the plan,", () => {
  test.each([[1], [4], [30]])(
    "answers what was asked for and no job twice (blocks of %d)",
    async (blockSize) => {
      await using planner = session(db);
      // As on each connection of the service: older servers would compile each of these statements first.
      await planner.sql`set jit = off`;
      const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
      for (let block = 0; block < 12; block++)
        await insertNew(db, blockSize, { priority: 1 + (block % 3), kind: worker.kinds[block % 2]! });
      await db.sql`analyze`;
      const marks = await marksOf(db, "default", worker.kinds);
      for (const off of PLANS) {
        for (const blocks of [1, 3, LIMIT]) {
          await planner.sql`begin`;
          for (const name of off) await planner.sql.unsafe(`set local enable_${name} = off`);
          const jobs = await take(planner, worker, LIMIT, { marks, blocks });
          expect(jobs).toHaveLength(Math.min(LIMIT, blocks * blockSize));
          expect(new Set(ids(jobs)).size).toBe(jobs.length);
          const priorities = jobs.map((job) => job.priority);
          expect(priorities).toEqual(priorities.toSorted());
          await planner.sql`rollback`;

          await planner.sql`begin`;
          for (const name of off) await planner.sql.unsafe(`set local enable_${name} = off`);
          const singly = await pull(planner, worker, LIMIT, { marks, blocks });
          expect(ids(singly)).toEqual(ids(jobs));
          expect(new Set(singly.map(({ leaseId }) => leaseId)).size).toBe(jobs.length);
          await planner.sql`rollback`;
        }
      }
    },
  );

  test("takes each job once over a whole backlog, with statistics that are all wrong", async () => {
    const worker = await registered(db);
    await db.sql`analyze`; // of empty tables
    const jobs = (
      await Promise.all(Array.from({ length: 40 }, (_, n) => insertNew(db, 1 + (n % 40))))
    ).flat();
    const taken: string[] = [];
    for (;;) {
      const part = await take(db, worker, 33);
      if (part.length === 0) break;
      expect(part.length).toBe(Math.min(33, jobs.length - taken.length));
      taken.push(...ids(part));
      await end(db, worker, part);
    }
    expect(taken.toSorted()).toEqual(ids(jobs).toSorted());
  });

  test("works with block numbers that are larger than 32 and 53 bits", async () => {
    const worker = await registered(db);
    for (const number of ["2147483647", "9007199254740991"]) {
      await db.sql`select setval('jobsvc.ready_id_seq', ${number}::bigint)`;
      const jobs = [...(await insertNew(db, 3)), ...(await insertNew(db, 3))];
      expect(ids(await take(db, worker, 4))).toEqual(ids(jobs.slice(0, 4)));
      expect(ids(await take(db, worker, 4))).toEqual(ids(jobs.slice(4)));
    }
  });
});

const BURST = 2_000;

test("a burst is worked off by index, with the plans of a service that was idle", async () => {
  const single = connect({ address: db.address, name: "jobsvc test", connections: 1, prepare: true });
  onTestFinished(() => single.close());
  const worker = await registered(single);
  async function work(limit: number) {
    const jobs = await take(single, worker, limit);
    await end(single, worker, jobs);
    return jobs.length;
  }

  await insertNew(single, 5);
  await work(5);
  await db.sql`vacuum analyze`;
  for (let round = 0; round < 10; round++) {
    await insertNew(single, 1);
    expect(await work(1)).toBe(1);
  }
  const plans = await single.run(
    (sql) =>
      sql`select sum(generic_plans)::int as kept, sum(custom_plans)::int as anew from pg_prepared_statements`,
  );
  expect(plans[0]).toMatchObject({ kept: expect.any(Number), anew: 0 });

  await insertNew(single, BURST);
  const before = await rowsReadInSequence();
  while ((await work(500)) > 0);
  expect((await rowsReadInSequence()) - before).toBe(0);

  /** Of the tables that grow, by the connection that works. */
  async function rowsReadInSequence(): Promise<number> {
    await single.run((sql) => sql`select pg_stat_force_next_flush()`);
    const [read] = await db.sql`
      select sum(seq_tup_read)::int as rows from pg_stat_user_tables
      where schemaname = 'jobsvc' and relname in ('jobs', 'attempts', 'ready', 'leases')`;
    return read!.rows;
  }
});
