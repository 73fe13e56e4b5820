import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import type { TakenJob } from "../../src/job/job.ts";
import type { WorkerIdentity } from "../../src/queue/beat.ts";
import { cancelJobs } from "../../src/queue/cancel.ts";
import { releaseJobs } from "../../src/queue/release.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, working } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";
import { type Session, session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

interface Held {
  worker: WorkerIdentity;
  jobs: TakenJob[];
}

/** Everybody who ends attempts, each with the same jobs in an order of his own. */
const ENDERS: Record<string, (on: Database, held: Held) => Promise<unknown>> = {
  end: (on, { worker, jobs }) => end(on, worker, jobs, {}, []),
  "end with retries": (on, { worker, jobs }) =>
    end(on, worker, jobs.toReversed(), { outcome: "failed", failures: 1, retryAfterMs: 0 }, []),
  cancel: (on, { jobs }) => cancelJobs(on, ids(jobs).toReversed()),
  release: (on, { worker }) => releaseJobs(on, worker.id),
  rescue: (on) => rescueJobs(on, { maxLosses: 3, limit: 1_000 }),
};

const pairs = Object.keys(ENDERS).flatMap((one, n, all) =>
  all.slice(n).map((other) => [one, other] as const),
);

/** Jobs that are not in exactly one place, or whose attempts are not numbered from one without a gap. */
const misplaced = () => db.sql`
  with place as (
    select unnest(job_ids) as job_id from jobsvc.ready
    union all
    select job_id from jobsvc.running_jobs
    union all
    select id from jobsvc.job_states where state in ('completed', 'failed', 'cancelled')
  ),
  numbered as (
    select job_id from jobsvc.attempts group by job_id having count(*) <> max(attempt)
  )
  select id from jobsvc.jobs left join place on place.job_id = jobs.id group by id having count(place.job_id) <> 1
  union all
  select job_id from numbered`;

async function meet(sessions: readonly Session[], names: readonly string[]) {
  const held = await working(db, 200);
  await expire(db, held.worker); // or there is nothing to rescue
  // Nobody tries again here, so a deadlock would be seen.
  await Promise.all(names.map((name, n) => ENDERS[name]!(sessions[n]!, held)));
  expect([...(await misplaced())]).toEqual([]);
  await rescueJobs(db, { maxLosses: 3, limit: 1_000 });
  expect([...(await misplaced())]).toEqual([]);
  await clear(db);
}

describe("those who end attempts never wait for each other in a circle", () => {
  test.each(pairs)("%s and %s", async (one, other) => {
    await using first = session(db);
    await using second = session(db);
    for (let round = 0; round < 3; round++) {
      await meet([first, second], [one, other]);
      await meet([first, second], [other, one]);
    }
  });

  test("all of them at once", async () => {
    const names = Object.keys(ENDERS);
    await using one = session(db);
    await using two = session(db);
    await using three = session(db);
    await using four = session(db);
    await using five = session(db);
    for (let round = 0; round < 12; round++) await meet([one, two, three, four, five], names);
  });
});
