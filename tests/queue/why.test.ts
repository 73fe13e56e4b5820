import { beforeEach, describe, expect, test } from "bun:test";
import { beat } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { changeJob } from "../../src/queue/change.ts";
import { pauseQueue } from "../../src/queue/pause.ts";
import { readWhyFacts } from "../../src/queue/why.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, newJob, registered, TTL_MS, take, working } from "../support/factory.ts";
import { clear, databaseNow, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const facts = async (id: string) => (await readWhyFacts(db, id))!;

async function waiting(changes: Parameters<typeof insertNew>[2] = {}): Promise<string> {
  const [job] = await insertNew(db, 1, changes);
  return job!.id;
}

describe("what is known of a job that waits", () => {
  test("where it is, and that nobody was ever there to take it", async () => {
    const id = await waiting({ queue: "mail", kind: "client_agent" });
    expect(await facts(id)).toEqual({
      state: "available",
      queue: "mail",
      kind: "client_agent",
      runAt: expect.any(Date),
      pausedAt: null,
      workers: 0,
      lastSeenAt: null,
      slots: 0,
      slotsInUse: 0,
      jobsAhead: 0,
    });
  });

  test("of somebody else is nothing", async () => {
    const id = await waiting();
    expect(await readWhyFacts(db, id, crypto.randomUUID())).toBeUndefined();
    expect(await readWhyFacts(db, id, newJob().userId)).toMatchObject({ state: "available" });
    expect(await readWhyFacts(db, Bun.randomUUIDv7())).toBeUndefined();
  });

  test("since when its queue is paused", async () => {
    const id = await waiting();
    await pauseQueue(db, "mail");
    expect(await facts(id)).toMatchObject({ pausedAt: null });
    await pauseQueue(db, "default");
    expect(await facts(id)).toMatchObject({ pausedAt: expect.any(Date) });
  });

  test("who could take it: a worker that lives, goes on, takes its queue and knows its kind", async () => {
    const id = await waiting();
    await registered(db, { queues: ["mail"] });
    await registered(db, { kinds: ["client_agent"] });
    const dead = await registered(db);
    await expire(db, dead);
    expect(await facts(id)).toMatchObject({ workers: 0, slots: 0 });
    await registered(db, { queues: ["mail", "default"], kinds: ["client_agent", "ai_agent"], slots: 3 });
    const leaving = await registered(db, { slots: 4 });
    expect(await facts(id)).toMatchObject({ workers: 2, slots: 7, slotsInUse: 0 });
    await beat(db, { worker: leaving, ttlMs: TTL_MS, draining: true, heldLeases: null, heldAttempts: [] });
    expect(await facts(id)).toMatchObject({ workers: 1, slots: 3 });
  });

  test("until when one was there, which is never later than now", async () => {
    const id = await waiting();
    const worker = await registered(db);
    await expire(db, worker);
    const { lastSeenAt } = await facts(id);
    expect(lastSeenAt!.getTime()).toBeLessThan((await databaseNow(db)).getTime());
    const leaving = await registered(db);
    await beat(db, { worker: leaving, ttlMs: TTL_MS, draining: true, heldLeases: null, heldAttempts: [] });
    const later = (await facts(id)).lastSeenAt!;
    expect(later.getTime()).toBeGreaterThan(lastSeenAt!.getTime());
    expect(later.getTime()).toBeLessThanOrEqual((await databaseNow(db)).getTime());
  });

  test("how many slots are in use, whatever runs in them", async () => {
    const { worker, jobs } = await working(db, 3);
    const id = await waiting();
    await end(db, worker, [jobs[0]!], {}, []);
    expect(await facts(id)).toMatchObject({ workers: 1, slots: 100, slotsInUse: 2 });
    const other = await registered(db, { kinds: ["ai_agent", "client_agent"], slots: 1 });
    await waiting({ kind: "client_agent", priority: 1 });
    await take(db, other, 1);
    expect(await facts(id)).toMatchObject({ workers: 2, slots: 101, slotsInUse: 3 });
  });
});

describe("the jobs that go first", () => {
  test("are those that take would take before it", async () => {
    const kinds = ["ai_agent", "client_agent"];
    const worker = await registered(db, { kinds });
    for (let round = 0; round < 6; round++) {
      await insertNew(db, 1 + (round % 3), { kind: kinds[round % 2]!, priority: 1 + ((round * 4) % 9) });
      await insertNew(db, 2, { priority: 5 });
      await insertNew(db, 1, { kind: kinds[round % 2]!, scheduledAt: new Date(Date.now() - 1_000) });
    }
    const [moved] = await insertNew(db, 2, { priority: 9 });
    await changeJob(db, moved!.id, { priority: 1 });
    // None of these goes first: not due, cancelled, of another queue, of a kind that nobody here knows.
    await insertNew(db, 4, { priority: 1, scheduledAt: new Date(Date.now() + 60_000) });
    const [cancelled] = await insertNew(db, 2, { priority: 1 });
    await cancelJob(db, cancelled!.id);
    await insertNew(db, 8, { priority: 1, queue: "mail" });
    await insertNew(db, 8, { priority: 1, kind: "unknown" });

    const due = ids(
      await db.sql<{ id: string }[]>`
        select id from jobsvc.jobs join jobsvc.job_states using (id)
        where state = 'available' and queue = 'default' and kind <> 'unknown'`,
    );
    const ahead = new Map(
      await Promise.all(due.map(async (id) => [id, (await facts(id)).jobsAhead] as const)),
    );
    for (let place = 0; place < due.length; place++) {
      const [next] = await take(db, worker, 1);
      expect({ id: next!.id, ahead: ahead.get(next!.id) }).toEqual({ id: next!.id, ahead: place });
    }
    expect(await take(db, worker, 1)).toEqual([]);
  });

  test("count only for a job that is due", async () => {
    await registered(db);
    await insertNew(db, 3, { priority: 1 });
    const scheduled = await waiting({ scheduledAt: new Date(Date.now() + 60_000) });
    expect(await facts(scheduled)).toMatchObject({ state: "scheduled", jobsAhead: 0 });
    const { worker, jobs } = await working(db, 2);
    expect(await facts(jobs[0]!.id)).toMatchObject({ state: "running", jobsAhead: 0 });
    await end(db, worker, jobs);
    expect(await facts(jobs[0]!.id)).toMatchObject({ state: "completed", jobsAhead: 0, runAt: null });
  });

  test("of a job that was lost twice are those that were lost twice, and it goes before no other", async () => {
    await registered(db);
    const [suspect, another, ordinary] = [await waiting({ priority: 1 }), await waiting(), await waiting()];
    await db.sql`update jobsvc.ready set losses = 2 where ${suspect} = any (job_ids) or ${another} = any (job_ids)`;
    expect(await facts(suspect)).toMatchObject({ jobsAhead: 0 });
    expect(await facts(another)).toMatchObject({ jobsAhead: 1 });
    expect(await facts(ordinary)).toMatchObject({ jobsAhead: 0 });
  });
});
