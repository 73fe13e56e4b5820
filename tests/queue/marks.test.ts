import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import type { Source } from "../../src/queue/lanes.ts";
import { type Marks, marks } from "../../src/queue/marks.ts";
import { pauseQueue } from "../../src/queue/pause.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, registered, take } from "../support/factory.ts";
import { clear, databaseNow, ids } from "../support/facts.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const HOUR_MS = 3_600_000;

const DEFAULT: Source = { queue: "default", kinds: ["ai_agent"] };
const MAIL: Source = { ...DEFAULT, queue: "mail" };
const SOURCES = [DEFAULT, MAIL];

async function readMarks(): Promise<Marks> {
  const kept = marks(db, SOURCES);
  await kept.read();
  return kept;
}

const markAt = (kept: Marks, source: Source) => new Date(kept.of(source)!.mark).getTime();

describe("marks", () => {
  test("are none before they are read, and the same until they are read again", async () => {
    const kept = marks(db, SOURCES);
    expect(kept.of(DEFAULT)).toBeUndefined();
    expect(kept.ageMs).toBe(Number.POSITIVE_INFINITY);
    await kept.read();
    const read = kept.of(DEFAULT)!;
    expect(kept.ageMs).toBeLessThan(HOUR_MS);
    await insertNew(db, 1);
    expect(kept.of(DEFAULT)).toEqual(read);
  });

  test("are read by one statement for all sources, which tells where something is due", async () => {
    let statements = 0;
    const counting: Database = {
      ...db,
      run: (statement) => {
        statements++;
        return db.run(statement);
      },
    };
    const kept = marks(counting, SOURCES);
    expect(await kept.read()).toEqual([]);
    await insertNew(db, 1, { queue: "mail" });
    await insertNew(db, 1, { queue: "default", scheduledAt: new Date(Date.now() + HOUR_MS) });
    await insertNew(db, 1, { queue: "default", kind: "client_agent" });
    expect(await kept.read()).toEqual([MAIL]);
    await insertNew(db, 1);
    expect(await kept.read()).toEqual([DEFAULT, MAIL]);
    await pauseQueue(db, "mail");
    expect(await kept.read()).toEqual([DEFAULT]);
    expect(statements).toBe(4);
  });

  test("hide what is committed late, until one is told to look back", async () => {
    const worker = await registered(db);
    const kept = await readMarks();
    const late = await insertNew(db, 3);
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 minute'`;
    expect(await take(db, worker, 3, { marks: kept.of(DEFAULT)! })).toEqual([]);
    kept.lookBack("default", (await databaseNow(db)).getTime() - 61_000);
    expect(ids(await take(db, worker, 3, { marks: kept.of(DEFAULT)! }))).toEqual(ids(late));
  });

  test("go as far back as the oldest of what is told, in that queue only, and never up", async () => {
    const kept = await readMarks();
    const before = markAt(kept, DEFAULT);
    kept.lookBack("default", before + 1_000);
    expect(markAt(kept, DEFAULT)).toBe(before);
    kept.lookBack("default", before - 2_000);
    kept.lookBack("default", before - 1_000);
    expect(markAt(kept, DEFAULT)).toBeWithin(before - 2_001, before - 1_998);
    expect(markAt(kept, MAIL)).toBe(before);
  });

  test("go back in every lane", async () => {
    await insertNew(db, 1);
    const kept = await readMarks();
    kept.lookBack("default", 0);
    const { mark, lanes } = kept.of(DEFAULT)!;
    expect([mark, ...lanes.map((lane) => lane.mark)]).toEqual(Array(2).fill("1970-01-01T00:00:00.000Z"));
  });

  test("are high again when they have been read again", async () => {
    const kept = await readMarks();
    const before = markAt(kept, DEFAULT);
    kept.lookBack("default", before - HOUR_MS);
    await kept.read();
    expect(markAt(kept, DEFAULT)).toBeGreaterThanOrEqual(before);
  });

  test("forget nothing that is told while they are read", async () => {
    const kept = marks(
      {
        ...db,
        run: async (statement) => {
          const rows = await db.run(statement);
          kept.lookBack("default", 0);
          return rows;
        },
      },
      SOURCES,
    );
    await kept.read();
    expect(markAt(kept, DEFAULT)).toBe(0);
  });

  describe("whose full reading is dear", () => {
    const dear: Database = {
      ...db,
      run: async (statement) => {
        await db.sql`select pg_sleep(0.05)`;
        return await db.run(statement);
      },
    };

    async function dearMarks(): Promise<Marks> {
      const kept = marks(dear, SOURCES);
      await kept.read();
      return kept;
    }

    async function insertLate(ago: string) {
      const late = await insertNew(db, 3);
      await db.sql`update jobsvc.ready set run_at = run_at - ${ago}::interval`;
      return late;
    }

    test("are read from where they stood, and see what was committed a little late", async () => {
      const kept = await dearMarks();
      await insertLate("1 minute");
      expect(await kept.read()).toEqual([]);
      await insertLate("3 seconds");
      expect(await kept.read()).toEqual([DEFAULT]);
    });

    test("are read further down for what was told, also when a reading fails", async () => {
      const worker = await registered(db);
      const kept = await dearMarks();
      const late = await insertLate("1 minute");
      kept.lookBack("default", (await databaseNow(db)).getTime() - 61_000);
      await db.sql`alter table jobsvc.ready rename to hidden`;
      await expect(kept.read()).rejects.toThrow("jobsvc.ready");
      await db.sql`alter table jobsvc.hidden rename to ready`;
      expect(await kept.read()).toEqual([DEFAULT]);
      expect(ids(await take(db, worker, 3, { marks: kept.of(DEFAULT)! }))).toEqual(ids(late));
    });

    test("are read in full again after a while", async () => {
      const kept = await dearMarks();
      await insertLate("1 minute");
      expect(await kept.read()).toEqual([]);
      await until("a full reading", async () => (await kept.read()).length > 0);
    });
  });
});
