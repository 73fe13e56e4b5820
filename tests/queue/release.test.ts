import { beforeEach, describe, expect, test } from "bun:test";
import { releaseJobs } from "../../src/queue/release.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, registered, take, working } from "../support/factory.ts";
import { blocks, clear, endings, everything, ids, leases, outcomes, stateOf } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const workers = async () => (await db.sql`select id from jobsvc.workers`).map((row) => row.id);

describe("release", () => {
  test("gives everything back that a worker holds, to be run elsewhere at once", async () => {
    const { worker, jobs } = await working(db, 5);
    const other = await registered(db);
    expect(await releaseJobs(db, worker.id)).toEqual(new Map([["default", 5]]));
    expect(await endings(db, jobs[0]!.id)).toMatchObject([
      { attempt: 1, outcome: "released", workerId: worker.id },
    ]);
    expect(await stateOf(db, jobs[0]!.id)).toBe("available");
    expect(await leases(db)).toEqual([]);
    expect(await workers()).toEqual([other.id]);
    const again = await take(db, other, 10);
    expect(ids(again)).toEqual(ids(jobs));
    expect(again[0]).toMatchObject({ attempt: 2, failures: 0, losses: 0 });
  });

  test("uses up no attempt: what failed and was lost before still counts, and nothing more", async () => {
    const { worker } = await working(db, 1, { maxAttempts: 1 });
    await db.sql`update jobsvc.leases set failures = 3, losses = 1`;
    await releaseJobs(db, worker.id);
    expect(await blocks(db)).toMatchObject([{ attempt: 2, failures: 3, losses: 1 }]);
  });

  test("gives back what must not run again once it is lost: this worker has let go of it", async () => {
    const { worker, jobs } = await working(db, 2, {}, { failLost: ["ai_agent"] });
    expect(await releaseJobs(db, worker.id)).toEqual(new Map([["default", 2]]));
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["released"]);
    expect(await stateOf(db, jobs[0]!.id)).toBe("available");
  });

  test("counts the jobs of each queue that has work again", async () => {
    const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
    await insertNew(db, 3);
    await insertNew(db, 2, { kind: "client_agent" });
    await insertNew(db, 4, { queue: "mail" });
    await take(db, worker, 9);
    await take(db, worker, 9, { queue: "mail" });
    const released = await releaseJobs(db, worker.id);
    expect(Object.fromEntries(released)).toEqual({ default: 5, mail: 4 });
    const waiting = (await blocks(db)).map(({ queue, kind, jobIds }) => `${queue} ${kind} ${jobIds.length}`);
    expect(waiting.toSorted()).toEqual(["default ai_agent 3", "default client_agent 2", "mail ai_agent 4"]);
  });

  test("leaves jobs alone that have ended, and those of other workers", async () => {
    const { worker, jobs } = await working(db, 3);
    const { jobs: others } = await working(db, 1);
    await end(db, worker, [jobs[0]!], {}, []);
    expect(await releaseJobs(db, worker.id)).toEqual(new Map([["default", 2]]));
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["completed"]);
    expect(await stateOf(db, others[0]!.id)).toBe("running");
    expect((await blocks(db)).flatMap((block) => block.jobIds)).toEqual(ids(jobs.slice(1)));
  });

  test("of a worker that holds nothing only says goodbye", async () => {
    const worker = await registered(db);
    expect(await releaseJobs(db, worker.id)).toEqual(new Map());
    expect(await workers()).toEqual([]);
  });

  test("changes nothing when it is repeated, or comes after a rescue", async () => {
    const { worker } = await working(db, 2);
    await releaseJobs(db, worker.id);
    const { worker: dead } = await working(db, 2);
    await expire(db, dead);
    await rescueJobs(db, { maxLosses: 3, limit: 10 });
    const before = await everything(db);
    expect(await releaseJobs(db, worker.id)).toEqual(new Map());
    expect(await releaseJobs(db, dead.id)).toEqual(new Map());
    expect(await everything(db)).toEqual(before);
  });

  test("leaves a late ending of the worker without effect", async () => {
    const { worker, jobs } = await working(db, 1);
    await releaseJobs(db, worker.id);
    expect(await end(db, worker, jobs)).toEqual([]);
    expect(await outcomes(db, jobs[0]!.id)).toEqual(["released"]);
  });

  test("agrees with ends that are under way: every job is ended or given back", async () => {
    await using ender = session(db);
    await using releaser = session(db);
    for (let round = 0; round < 50; round++) {
      const { worker, jobs } = await working(db, 20);
      const [ended, released] = await Promise.all([
        end(ender, worker, jobs.slice(0, 10).toReversed(), {}, []),
        releaseJobs(releaser, worker.id),
      ]);
      expect(ended.length + (released.get("default") ?? 0)).toBe(20);
      for (const { id } of jobs)
        expect(await outcomes(db, id)).toEqual([ended.includes(id) ? "completed" : "released"]);
      expect(await leases(db)).toEqual([]);
      expect((await blocks(db)).flatMap((block) => block.jobIds)).toHaveLength(20 - ended.length);
      await clear(db);
    }
  });
});
