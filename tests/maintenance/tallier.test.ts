import { beforeEach, describe, expect, test } from "bun:test";
import { tallier } from "../../src/maintenance/tallier.ts";
import { maintenance } from "../../src/maintenance/task.ts";
import { readStats } from "../../src/queue/stats.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { clear } from "../support/facts.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const rows = async () => (await db.sql`select from jobsvc.tallies`).length;

const write = (count: number) => db.sql`
  insert into jobsvc.tallies (queue, kind, outcome, jobs)
  select 'default', 'ai_agent', 'failed', case when n % 3 = 0 then -1 else 1 end from generate_series(1, ${count}::int) n`;

describe("the tallier", () => {
  test("adds up everything that has piled up, however many statements that takes", async () => {
    await write(23_000);
    const before = await readStats(db);
    await tallier({ db }).runOnce();
    expect(await rows()).toBe(1);
    expect(await readStats(db)).toEqual(before);
    expect(before).toMatchObject([{ failed: 23_000 - 2 * 7_666 }]);
  });

  test("has nothing to do when nothing has ended", async () => {
    await tallier({ db }).runOnce();
    expect(await rows()).toBe(0);
  });

  test("comes round by itself, on several nodes at once, and tells nothing", async () => {
    await write(5_000);
    const events = recorder();
    const nodes = Array.from({ length: 3 }, () => maintenance(tallier({ db }), events.emit));
    await Promise.all(nodes.map((node) => node.start()));
    await until("one row to be left of each node's part", async () => (await rows()) <= nodes.length);
    await Promise.all(nodes.map((node) => node.stop()));
    await tallier({ db }).runOnce();
    expect(await readStats(db)).toMatchObject([{ failed: 5_000 - 2 * 1_666 }]);
    expect(events.of("step.failed")).toEqual([]);
  });

  test("comes round twice a minute", () => {
    expect(tallier({ db }).everyMs).toBe(30_000);
  });
});
