import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { marks } from "../../src/queue/marks.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, registered, take } from "../support/factory.ts";
import { clear, databaseNow, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const HOUR_MS = 3_600_000;

const lowWater = (maxAgeMs: number, through: Database = db) =>
  marks({ db: through, queue: "default", kinds: ["ai_agent"], maxAgeMs });

const oldest = (lanes: readonly { mark: string }[]) =>
  Math.min(...lanes.map(({ mark }) => new Date(mark).getTime()));

describe("marks", () => {
  test("are read once in a while, not for every take", async () => {
    let statements = 0;
    const counting: Database = {
      ...db,
      run: (statement) => {
        statements++;
        return db.run(statement);
      },
    };
    const kept = lowWater(HOUR_MS, counting);
    const lanes = await kept.lanes();
    expect(lanes).toHaveLength(9);
    expect(await kept.lanes()).toEqual(lanes);
    expect(statements).toBe(1);
    const fresh = lowWater(0, counting);
    await fresh.lanes();
    await fresh.lanes();
    expect(statements).toBe(3);
  });

  test("hide what is committed late, until one is told to look back", async () => {
    const worker = await registered(db);
    const kept = lowWater(HOUR_MS);
    await kept.lanes();
    const late = await insertNew(db, 3);
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 minute'`;
    expect(await take(db, worker, 3, { lanes: await kept.lanes() })).toEqual([]);
    kept.lookBack((await databaseNow(db)).getTime() - 61_000);
    expect(ids(await take(db, worker, 3, { lanes: await kept.lanes() }))).toEqual(ids(late));
  });

  test("go as far back as the oldest of what is told, and never up", async () => {
    const kept = lowWater(HOUR_MS);
    const before = oldest(await kept.lanes());
    kept.lookBack(before + 1_000);
    expect(oldest(await kept.lanes())).toBe(before);
    kept.lookBack(before - 2_000);
    kept.lookBack(before - 1_000);
    expect(oldest(await kept.lanes())).toBeWithin(before - 2_001, before - 1_998);
  });

  test("are high again when they have been read again", async () => {
    const kept = lowWater(0);
    const before = oldest(await kept.lanes());
    kept.lookBack(before - HOUR_MS);
    expect(oldest(await kept.lanes())).toBeGreaterThanOrEqual(before);
  });

  test("forget nothing that is told while they are read", async () => {
    const kept = lowWater(HOUR_MS, {
      ...db,
      run: async (statement) => {
        const rows = await db.run(statement);
        kept.lookBack(0);
        return rows;
      },
    });
    expect(oldest(await kept.lanes())).toBe(0);
    expect(oldest(await kept.lanes())).toBe(0);
  });
});
