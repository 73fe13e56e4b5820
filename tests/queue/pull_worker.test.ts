import { beforeEach, describe, expect, test } from "bun:test";
import { registerPullWorker } from "../../src/queue/pull_worker.ts";
import { readWorkers } from "../../src/queue/workers.ts";
import { testDatabase } from "../support/database.ts";
import { expire, insertNew, registered } from "../support/factory.ts";
import { clear, everything } from "../support/facts.ts";
import { pull, pulling, pullWorker } from "../support/pulling.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("a worker over HTTP", () => {
  test("is in the list as what it says of itself", async () => {
    const worker = await pullWorker(db, { name: 'odd"name', queues: ["a", "b{}"], kinds: ["x"], wanted: 7 });
    expect(await readWorkers(db)).toMatchObject([
      {
        id: worker.id,
        name: 'odd"name',
        role: "pull",
        version: "",
        queues: ["a", "b{}"],
        kinds: ["x"],
        slots: 7,
      },
    ]);
  });

  test("has room for what it holds and what it asks for", async () => {
    const { worker } = await pulling(db, 3);
    await registerPullWorker(db, { ...worker, wanted: 2 });
    expect(await readWorkers(db)).toMatchObject([{ running: 3, slots: 5 }]);
  });

  test("is alive again with each registration, for as long as it then says", async () => {
    const worker = await pullWorker(db);
    await expire(db, worker);
    expect(await readWorkers(db)).toEqual([]);
    await registerPullWorker(db, { ...worker, name: "renamed", ttlMs: 60_000 });
    const [row] = await db.sql`
      select name, ttl_ms, round(extract(epoch from expires_at - now())) as lives_s from jobsvc.workers`;
    expect(row).toMatchObject({ name: "renamed", ttl_ms: 60_000, lives_s: "60" });
  });

  test("cannot be registered under the id of a process", async () => {
    const process = await registered(db);
    const before = await everything(db);
    const id = process.id;
    const wish = { id, name: "x", queues: ["default"], kinds: ["x"], wanted: 1, ttlMs: 1_000 };
    expect(await registerPullWorker(db, wish)).toBeUndefined();
    expect(await everything(db)).toEqual(before);
  });

  test("is told when it holds a job that was lost twice", async () => {
    const worker = await pullWorker(db);
    expect(await registerPullWorker(db, worker)).toEqual({ holdsSuspect: false });
    await insertNew(db, 1);
    await db.sql`update jobsvc.ready set losses = 2`;
    expect(await pull(db, worker, 1)).toHaveLength(1);
    expect(await registerPullWorker(db, worker)).toEqual({ holdsSuspect: true });
  });
});
