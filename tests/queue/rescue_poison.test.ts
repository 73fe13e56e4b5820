import { beforeEach, describe, expect, test } from "bun:test";
import type { TakenJob } from "../../src/job/job.ts";
import type { WorkerIdentity } from "../../src/queue/beat.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, insertNew, passTime, registered, take } from "../support/factory.ts";
import { clear, endings, leases, outcomes, states } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const SLOTS = 20;
const LIMITS = { maxLosses: 3, limit: 1_000 };

interface Holder {
  worker: WorkerIdentity;
  jobs: TakenJob[];
}

/**
 * The whole life of some jobs: workers fill their slots, and then each ends what it holds, or dies of the
 * poison in it and is replaced. Answers what every dead worker held.
 */
async function live(workers: number, isPoison: (id: string) => boolean): Promise<TakenJob[][]> {
  const deaths: TakenJob[][] = [];
  let holders = await Promise.all(Array.from({ length: workers }, () => hold()));
  while (holders.some(({ jobs }) => jobs.length > 0)) {
    for (const { worker, jobs } of holders) {
      expect(jobs.filter((job) => job.losses >= 2).length).toBeLessThanOrEqual(1);
      if (jobs.some((job) => isPoison(job.id))) {
        deaths.push(jobs);
        await expire(db, worker);
      } else await end(db, worker, jobs);
    }
    await rescueJobs(db, LIMITS);
    await passTime(db, 1_000);
    const again = [];
    for (const { worker, jobs } of holders)
      again.push(await hold(jobs.some((job) => isPoison(job.id)) ? undefined : worker));
    holders = again;
  }
  return deaths;
}

async function hold(known?: WorkerIdentity): Promise<Holder> {
  const worker = await registered(db, known);
  return { worker, jobs: await take(db, worker, SLOTS) };
}

describe("a poison job", () => {
  test.each([[1], [3]])(
    "ends as crashed after three losses, and buries none of its neighbours (workers: %d)",
    async (workers) => {
      const jobs = await insertNew(db, 1_000);
      const poison = jobs[500]!.id;
      const deaths = await live(workers, (id) => id === poison);
      expect(deaths).toHaveLength(3);
      expect(await states(db)).toEqual({ completed: 999, failed: 1 });
      expect((await endings(db, poison)).map(({ outcome, error }) => [outcome, error!.reason])).toEqual([
        ["lost", "lost"],
        ["lost", "lost"],
        ["failed", "crashed"],
      ]);
      expect(await leases(db)).toEqual([]);
    },
  );

  test("kills no more workers than three when nobody suspects it yet, whoever is suspected beside it", async () => {
    const innocents = await insertNew(db, 10);
    await db.sql`
      with block as (delete from jobsvc.ready returning *)
      insert into jobsvc.ready (queue, kind, priority, run_at, attempt, losses, job_ids)
      select queue, kind, priority, run_at, attempt, 2, array[job] from block, unnest(job_ids) job`;
    const [poison] = await insertNew(db, 1, { priority: 1 });
    const deaths = await live(1, (id) => id === poison!.id);
    expect(deaths.map((held) => held.length)).toEqual([2, 2, 1]);
    expect(await outcomes(db, poison!.id)).toEqual(["lost", "lost", "failed"]);
    expect(await states(db)).toEqual({ completed: innocents.length - 2, failed: 1 + 2 });
  });

  test("is the only one of its worker's jobs that can come to the last loss", async () => {
    await insertNew(db, 60);
    const worker = await registered(db);
    for (let loss = 0; loss < 2; loss++) {
      await take(db, worker, 60);
      await expire(db, worker);
      expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 60, crashed: 0 });
      await passTime(db, 1_000);
      await registered(db, worker);
    }
    await insertNew(db, 30);
    expect(await take(db, worker, 100)).toHaveLength(31);
    await expire(db, worker);
    expect(await rescueJobs(db, LIMITS)).toMatchObject({ lost: 30, crashed: 1 });
  });
});
