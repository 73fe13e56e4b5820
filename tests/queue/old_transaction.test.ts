import { beforeEach, describe, expect, onTestFinished, test } from "bun:test";
import { connect, type Database } from "../../src/db/connect.ts";
import { readMarks } from "../../src/queue/lanes.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { takeJobs } from "../../src/queue/take.ts";
import type { Taken } from "../../src/queue/taken_row.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, marksOf, registered } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const GONE = 20_000;
/** Pages at which a statement may look that has to do with a handful of rows. */
const FEW = 100;

/**
 * Blocks and leases that are gone, but not for a transaction that began before them: they keep their places in every
 * index. With statistics of that state planners take the tables for empty, and to walk through all of an index for cheap.
 */
async function graveyard(workerId: string) {
  const old = session(db);
  onTestFinished(() => old.close());
  await old.sql`begin isolation level repeatable read`;
  await old.sql`select from jobsvc.jobs`;
  const lane = db.sql`'default', 'ai_agent', 5, 1, array[gen_random_uuid()] from generate_series(1, ${GONE})`;
  await db.sql`insert into jobsvc.ready (run_at, queue, kind, priority, attempt, job_ids)
    select now() - interval '1 minute', ${lane}`;
  await db.sql`insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, job_ids) select ${workerId}, ${lane}`;
  await db.sql`delete from jobsvc.ready`;
  await db.sql`delete from jobsvc.leases`;
  await db.sql`analyze jobsvc.ready, jobsvc.leases`;
}

/** At how many pages a statement has looked in the tables of what waits and what runs, and in their indexes. */
async function lookedAt(work: (single: Database) => Promise<unknown>): Promise<number> {
  const single = connect({ address: db.address, name: "jobsvc test", connections: 1, prepare: true });
  const before = await read();
  await work(single);
  await single.run((sql) => sql`select pg_stat_force_next_flush()`);
  await single.close();
  return (await read()) - before;

  async function read(): Promise<number> {
    const [read] = await db.sql`
      select sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::int as pages from pg_statio_user_tables
      where schemaname = 'jobsvc' and relname in ('ready', 'leases')`;
    return read!.pages;
  }
}

describe("while an old transaction is open", () => {
  test("jobs are taken and ended past all that are gone", async () => {
    const worker = await registered(db);
    await graveyard(worker.id);
    const marks = await marksOf(db, "default", worker.kinds);
    await insertNew(db, 3);
    const ask = { queue: "default", kinds: worker.kinds, marks, limit: 1, blocks: 1, suspects: true };
    let taken: Taken | undefined;
    const taking = await lookedAt(async (single) => {
      [taken] = await takeJobs(single, { workerId: worker.id, asks: [ask], failLost: [] });
    });
    expect(taking).toBeLessThan(FEW);
    expect(taken!.jobs).toHaveLength(1);
    expect(await lookedAt((single) => end(single, worker, taken!.jobs))).toBeLessThan(FEW);
  });

  test("marks are read from where they stood before", async () => {
    const source = { queue: "default", kinds: ["ai_agent"] };
    await graveyard(crypto.randomUUID());
    const marks = await marksOf(db, "default", source.kinds);
    await insertNew(db, 1);
    expect(await lookedAt((single) => readMarks(single, [source]))).toBeGreaterThan(FEW);
    expect(await lookedAt((single) => readMarks(single, [source], [marks]))).toBeLessThan(FEW);
  });

  test("lost jobs are found past all that the living have had", async () => {
    const worker = await registered(db);
    await graveyard(worker.id);
    const rescue = (single: Database) => rescueJobs(single, { maxLosses: 3, limit: 100 });
    expect(await lookedAt(rescue)).toBeLessThan(FEW);
  });
});
