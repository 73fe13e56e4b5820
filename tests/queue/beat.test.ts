import { beforeEach, describe, expect, test } from "bun:test";
import { type Beat, beat, type WorkerIdentity } from "../../src/queue/beat.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, passTime, registered, TTL_MS, take, working } from "../support/factory.ts";
import { clear, databaseNow, ids, leases, outcomes } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const beatOf = (worker: WorkerIdentity, changes: Partial<Beat> = {}) =>
  beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: null, heldAttempts: [], ...changes });

const QUIET = { lostLeases: [], ended: [] };

const row = async ({ id }: WorkerIdentity) =>
  (
    await db.sql`
      select name, role, version, to_json(queues) as queues, to_json(kinds) as kinds, slots, started_at, expires_at,
        draining_at
      from jobsvc.workers where id = ${id}`
  )[0];

describe("beat", () => {
  test("registers a worker with all that the others may want to know of it", async () => {
    const worker = {
      id: crypto.randomUUID(),
      name: 'näme, "quoted"',
      role: "all",
      version: "1.2.3",
      queues: ["default", "a b"],
      kinds: [],
      slots: 7,
    };
    const before = (await databaseNow(db)).getTime();
    expect(await beatOf(worker)).toEqual(QUIET);
    const registered = await row(worker);
    const { id, ...told } = worker;
    expect(registered).toMatchObject({ ...told, draining_at: null });
    expect(registered!.started_at.getTime()).toBeWithin(before - 1, (await databaseNow(db)).getTime() + 1);
    expect(registered!.expires_at.getTime() - registered!.started_at.getTime()).toBe(TTL_MS);
  });

  test("keeps a worker alive that would have expired, and its jobs with it", async () => {
    const { worker, jobs } = await working(db, 2);
    for (let beats = 0; beats < 5; beats++) {
      await passTime(db, TTL_MS - 5_000);
      expect(await beatOf(worker, { heldLeases: [jobs[0]!.leaseId] })).toEqual(QUIET);
      expect(await rescueJobs(db, { maxLosses: 3, limit: 10 })).toMatchObject({ leases: 0 });
    }
    expect(await end(db, worker, jobs)).toEqual(ids(jobs));
  });

  test("remembers when the worker began to drain", async () => {
    const worker = await registered(db);
    await beatOf(worker, { draining: true });
    const { draining_at: since } = (await row(worker))!;
    expect(since).toBeInstanceOf(Date);
    await beatOf(worker, { draining: true });
    await beatOf(worker);
    expect((await row(worker))!.draining_at).toEqual(since);
  });

  test("tells which leases are no longer the worker's own", async () => {
    const { worker, jobs } = await working(db, 2);
    const { jobs: others } = await working(db, 1);
    const gone = crypto.randomUUID();
    const [own, foreign] = [jobs[0]!.leaseId, others[0]!.leaseId];
    const { lostLeases } = await beatOf(worker, { heldLeases: [gone, own, foreign] });
    expect(lostLeases.toSorted()).toEqual([gone, foreign].toSorted());
  });

  test("does not give a worker back what was taken from it while it looked dead", async () => {
    const { worker, jobs } = await working(db, 1);
    await expire(db, worker);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    expect(await row(worker)).toBeUndefined();
    const heldLeases = [jobs[0]!.leaseId];
    expect(await beatOf(worker, { heldLeases })).toEqual({ lostLeases: heldLeases, ended: [] });
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
    // It is alive again, though, and may take what has come back.
    await passTime(db, 1_000);
    expect(await take(db, worker, 1)).toMatchObject([{ id: jobs[0]!.id, attempt: 2 }]);
  });

  test("tells which of the held attempts have ended, and how", async () => {
    const { worker, jobs } = await working(db, 4);
    const heldAttempts = jobs.map(({ id, attempt }) => ({ jobId: id, attempt }));
    expect(await beatOf(worker, { heldAttempts })).toEqual(QUIET);
    await end(db, worker, [jobs[0]!], { outcome: "failed" }, []);
    await end(db, worker, [jobs[1]!], {}, []);
    await cancelJob(db, jobs[2]!.id);
    for (const heldLeases of [null, [jobs[0]!.leaseId]]) {
      const { ended } = await beatOf(worker, { heldLeases, heldAttempts });
      expect(ended.toSorted((a, b) => (a.jobId < b.jobId ? -1 : 1))).toEqual([
        { jobId: jobs[0]!.id, attempt: 1, outcome: "failed" },
        { jobId: jobs[1]!.id, attempt: 1, outcome: "completed" },
        { jobId: jobs[2]!.id, attempt: 1, outcome: "cancelled" },
      ]);
    }
    expect(await beatOf(worker, { heldAttempts: [{ jobId: jobs[1]!.id, attempt: 2 }] })).toEqual(QUIET);
  });

  test("disowns an old lease that the process does not know any more", async () => {
    const { worker, jobs } = await working(db, 1);
    const { worker: other } = await working(db, 1);
    await passTime(db, TTL_MS + 1);
    await registered(db, other);
    expect(await beatOf(worker, { heldLeases: [] })).toEqual(QUIET);
    expect((await leases(db)).map((lease) => lease.workerId).toSorted()).toEqual([other.id, null].toSorted());
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["lost"]);
  });

  test.each([
    ["is held", (lease: string) => [lease], TTL_MS + 1],
    ["is young: the answer that carries it may be on its way", () => [], TTL_MS - 1_000],
    ["may be held, for all that the heartbeat knows", () => null, TTL_MS + 1],
  ])("leaves a lease alone that %s", async (_, heldBy, ageMs) => {
    const { worker, jobs } = await working(db, 1);
    await passTime(db, ageMs);
    await beatOf(worker, { heldLeases: heldBy(jobs[0]!.leaseId) });
    expect((await leases(db)).map((lease) => lease.workerId)).toEqual([worker.id]);
  });
});
