import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { addUpTallies } from "../../src/queue/tally.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take, working } from "../support/factory.ts";
import { clear, states } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** The rows of `tallies`, and what they add up to. */
async function tallies() {
  const rows = await db.sql<{ queue: string; kind: string; outcome: string; jobs: number }[]>`
    select queue, kind, outcome, jobs::int as jobs from jobsvc.tallies`;
  const sums: Record<string, number> = {};
  for (const { outcome, jobs } of rows) sums[outcome] = (sums[outcome] ?? 0) + jobs;
  return { rows: rows.length, sums };
}

const write = (rows: number, lanes: number, jobs = 1) =>
  db.sql`
    insert into jobsvc.tallies (queue, kind, outcome, jobs)
    select 'q' || n % ${lanes}::int, 'ai_agent', 'completed', ${jobs} from generate_series(1, ${rows}::int) n`;

describe("adding up tallies", () => {
  test("leaves one row for each queue, kind and outcome, with the same sums", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    for (let round = 0; round < 5; round++) {
      await insertNew(db, 2);
      await insertNew(db, 1, { kind: "client_agent" });
      const jobs = await take(db, worker, 3);
      await end(db, worker, jobs.slice(0, 2));
      await end(db, worker, jobs.slice(2), { outcome: "failed" });
    }
    const before = await tallies();
    expect(await addUpTallies(db)).toBe(false);
    const after = await tallies();
    expect(after.sums).toEqual(before.sums);
    expect(after.sums).toEqual({ completed: 10, failed: 5 });
    expect(after.rows).toBeLessThan(before.rows);
    expect(after.rows).toBe((await db.sql`select distinct queue, kind, outcome from jobsvc.tallies`).length);
  });

  test("leaves nothing of what adds up to nothing", async () => {
    const { worker, jobs } = await working(db, 2);
    await end(db, worker, jobs, { outcome: "failed" });
    await retryJob(db, jobs[0]!.id);
    await deleteJob(db, jobs[1]!.id);
    await cancelJob(db, jobs[0]!.id);
    await deleteJob(db, jobs[0]!.id);
    expect((await tallies()).sums).toEqual({ failed: 0, cancelled: 0 });
    await addUpTallies(db);
    expect(await tallies()).toEqual({ rows: 0, sums: {} });
  });

  test("leaves alone what is added up", async () => {
    await write(3, 3, 7);
    const before = await db.sql`select * from jobsvc.tallies order by id`;
    expect(await addUpTallies(db)).toBe(false);
    expect([...(await db.sql`select * from jobsvc.tallies order by id`)]).toEqual([...before]);
  });

  test("takes some at a time, and comes to an end", async () => {
    await write(25_000, 4);
    let calls = 1;
    while (await addUpTallies(db)) calls++;
    expect(calls).toBe(3);
    expect(await tallies()).toEqual({ rows: 4, sums: { completed: 25_000 } });
  });

  test("comes to an end however many different sums there are", async () => {
    await write(30_000, 12_000);
    let calls = 1;
    while (await addUpTallies(db)) calls++;
    expect(calls).toBeLessThan(6);
    expect(await tallies()).toEqual({ rows: 12_000, sums: { completed: 30_000 } });
  });

  test("by several at once, while jobs end, loses and doubles nothing; every look sees the same sum", async () => {
    await write(2_000, 2);
    const worker = await registered(db);
    await insertNew(db, 100);
    const jobs = await take(db, worker, 100);
    let ended = 0;
    let done = false;
    const looks: Promise<void>[] = [];
    const adders = Array.from({ length: 3 }, async () => {
      await using own = session(db);
      while (!done) await addUpTallies(own);
    });
    for (const job of jobs) {
      await end(db, worker, [job], {}, []);
      ended++;
      const least = 2_000 + ended;
      looks.push(
        tallies().then(({ sums }) => {
          expect(sums.completed).toBeGreaterThanOrEqual(least);
          expect(sums.completed).toBeLessThanOrEqual(2_100);
        }),
      );
    }
    await Promise.all(looks);
    done = true;
    await Promise.all(adders);
    await addUpTallies(db);
    expect(await tallies()).toEqual({ rows: 3, sums: { completed: 2_100 } });
    expect(await states(db)).toEqual({ completed: 100 });
  });

  test("passes by what somebody else holds", async () => {
    await write(3, 1);
    await using other = session(db);
    await other.sql`begin`;
    await other.sql`select from jobsvc.tallies where id = (select min(id) from jobsvc.tallies) for update`;
    await addUpTallies(db);
    expect(await tallies()).toEqual({ rows: 2, sums: { completed: 3 } });
    await other.sql`rollback`;
  });
});
