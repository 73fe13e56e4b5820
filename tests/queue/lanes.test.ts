import { beforeEach, describe, expect, test } from "bun:test";
import { insertJobs } from "../../src/queue/insert.ts";
import { readMarks } from "../../src/queue/lanes.ts";
import { pauseQueue } from "../../src/queue/pause.ts";
import { overConnection, testDatabase } from "../support/database.ts";
import { insertNew, marksOf, newJob, registered, take } from "../support/factory.ts";
import { blocks, clear, databaseNow, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const msOf = (mark: string) => new Date(mark).getTime();

const HOUR_MS = 3_600_000;

describe("low-water marks", () => {
  test("are one for all lanes in which nothing is due, just below now", async () => {
    // A mark of the future would be above what is inserted next.
    await insertNew(db, 1, { priority: 2, scheduledAt: new Date(Date.now() + HOUR_MS) });
    const before = (await databaseNow(db)).getTime();
    const { mark, lanes } = await marksOf(db, "default", ["ai_agent", "client_agent"]);
    const after = (await databaseNow(db)).getTime();
    expect(msOf(mark)).toBeWithin(before - 201, after - 198);
    expect(lanes).toEqual([]);
  });

  test("are just below the oldest job where some are due", async () => {
    for (const age of ["2 hours", "1 hour"]) {
      await insertNew(db, 2, { priority: 1 });
      await db.sql`update jobsvc.ready set run_at = run_at - ${age}::interval`;
    }
    const oldest = (await blocks(db))[0]!.runAt.getTime();
    const { lanes } = await marksOf(db, "default", ["ai_agent"]);
    expect(lanes).toMatchObject([{ kind: "ai_agent", priority: 1 }]);
    expect(oldest - msOf(lanes[0]!.mark)).toBeWithin(199, 202);
  });

  test("look at their own queue, kind and priority only", async () => {
    await insertNew(db, 1, { queue: "mail" });
    await insertNew(db, 1, { kind: "client_agent" });
    await insertNew(db, 1, { priority: 4 });
    expect((await marksOf(db, "default", ["ai_agent"])).lanes).toMatchObject([{ priority: 4 }]);
    expect((await marksOf(db, "default", [])).lanes).toEqual([]);
  });

  test("are read for many sources at once, and tell where something may be taken", async () => {
    await insertNew(db, 1, { queue: "mail" });
    await insertNew(db, 1, { queue: "closed" });
    await pauseQueue(db, "closed");
    const sources = ["mail", "empty", "closed"].map((queue) => ({ queue, kinds: ["ai_agent"] }));
    const found = await readMarks(db, sources);
    expect(found.map(({ due }) => due)).toEqual([true, false, false]);
    expect(found.map(({ lanes }) => lanes.length)).toEqual([1, 0, 1]);
    expect(await readMarks(db, [])).toEqual([]);
  });

  test("are read from others up, and from a few seconds below for what was committed late", async () => {
    const source = { queue: "default", kinds: ["ai_agent", "client_agent"] };
    const from = [await marksOf(db, "default", source.kinds)];
    await insertNew(db, 1, { priority: 1 });
    await insertNew(db, 1, { priority: 2 });
    await db.sql`update jobsvc.ready set run_at = run_at - priority * interval '4 seconds'`;
    const found = await readMarks(db, [source], from);
    expect(found).toMatchObject([{ due: true, lanes: [{ kind: "ai_agent", priority: 1 }] }]);
    expect((await readMarks(db, [source], found))[0]!.lanes).toEqual(found[0]!.lanes);
    expect((await readMarks(db, [source]))[0]!.lanes.map(({ priority }) => priority)).toEqual([1, 2]);
  });

  test("miss nothing that was being committed while they were read", async () => {
    const worker = await registered(db);
    const job = newJob();
    const marks = await db.sql.begin(async (sql) => {
      await insertJobs(overConnection(db, sql), [job]);
      return await marksOf(db, "default", ["ai_agent"]);
    });
    expect(ids(await take(db, worker, 1, { marks }))).toEqual([job.id]);
  });
});
