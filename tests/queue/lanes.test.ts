import { beforeEach, describe, expect, test } from "bun:test";
import { insertJobs } from "../../src/queue/insert.ts";
import { overConnection, testDatabase } from "../support/database.ts";
import { insertNew, lanesOf, newJob, registered, take } from "../support/factory.ts";
import { blocks, clear, databaseNow, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const markOf = (lanes: Awaited<ReturnType<typeof lanesOf>>, priority: number) =>
  new Date(lanes.find((lane) => lane.priority === priority)!.mark).getTime();

describe("lanes", () => {
  test("are one for each kind and priority", async () => {
    const lanes = await lanesOf(db, "default", ["ai_agent", "client_agent"]);
    expect(lanes).toHaveLength(2 * 9);
    expect(new Set(lanes.map(({ kind, priority }) => `${kind} ${priority}`)).size).toBe(18);
    expect(await lanesOf(db, "default", [])).toEqual([]);
  });

  test("have their mark just below the oldest job that waits, or below now", async () => {
    await insertNew(db, 2, { priority: 1 });
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 hour'`;
    await insertNew(db, 2, { priority: 1 });
    await insertNew(db, 1, { priority: 2, scheduledAt: new Date(Date.now() + 3_600_000) });
    const oldest = (await blocks(db))[0]!.runAt.getTime();
    const before = (await databaseNow(db)).getTime();
    const lanes = await lanesOf(db, "default", ["ai_agent"]);
    const after = (await databaseNow(db)).getTime();
    expect(oldest - markOf(lanes, 1)).toBeWithin(199, 202);
    // Jobs of the future must not lift the mark: what is inserted next would stand below it.
    for (const priority of [2, 3]) expect(markOf(lanes, priority)).toBeWithin(before - 201, after - 198);
  });

  test("look at their own queue, kind and priority only", async () => {
    await insertNew(db, 1, { queue: "mail" });
    await insertNew(db, 1, { kind: "client_agent" });
    await insertNew(db, 1, { priority: 4 });
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 hour'`;
    const hourAgo = (await databaseNow(db)).getTime() - 3_000_000;
    const lanes = await lanesOf(db, "default", ["ai_agent"]);
    expect(lanes.filter((lane) => new Date(lane.mark).getTime() < hourAgo)).toMatchObject([{ priority: 4 }]);
  });

  test("miss nothing that was being committed while they were read", async () => {
    const worker = await registered(db);
    const job = newJob();
    let lanes: Awaited<ReturnType<typeof lanesOf>> = [];
    await db.sql.begin(async (sql) => {
      await insertJobs(overConnection(db, sql), [job]);
      lanes = await lanesOf(db, "default", ["ai_agent"]);
    });
    expect(ids(await take(db, worker, 1, { lanes }))).toEqual([job.id]);
  });
});
