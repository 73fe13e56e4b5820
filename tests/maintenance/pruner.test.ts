import { beforeEach, describe, expect, test } from "bun:test";
import { pruner } from "../../src/maintenance/pruner.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { clear, states } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const HOUR_MS = 60 * 60 * 1000;
const retention = { completedHours: 24, cancelledHours: 24, failedHours: 7 * 24 };

function newPruner() {
  const events = recorder();
  return { ...events, ...pruner({ db, emit: events.emit, retention }) };
}

/** Jobs that were born and ended so many hours ago; ids carry their time of birth. */
async function endedJobs(count: number, outcome: string, hoursAgo: number) {
  const born = (Date.now() - hoursAgo * HOUR_MS).toString(16).padStart(12, "0");
  await db.sql`
    with born as (
      insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
      select (${born} || '70008' || substr(md5(random()::text), 1, 15))::uuid, 'ai_agent', 'default', 5,
        gen_random_uuid(), gen_random_uuid(), '{}', 4
      from generate_series(1, ${count}::int)
      returning id
    )
    insert into jobsvc.attempts (job_id, attempt, outcome, finished_at)
    select id, 1, ${outcome}, now() - ${hoursAgo} * interval '1 hour' from born`;
}

describe("the pruner", () => {
  test("goes through pages until nothing old is left, keeps the young, and tells it once", async () => {
    await endedJobs(2_500, "completed", 30);
    await endedJobs(10, "completed", 2);
    const pruner = newPruner();
    await pruner.runOnce();
    expect(await states(db)).toEqual({ completed: 10 });
    expect(pruner.of("jobs.pruned")).toEqual([{ jobs: 2_500 }]);
  });

  test("passes by a page of jobs that are kept for longer", async () => {
    await endedJobs(1_200, "failed", 40);
    await endedJobs(5, "completed", 30);
    const pruner = newPruner();
    await pruner.runOnce();
    expect(await states(db)).toEqual({ failed: 1_200 });
    expect(pruner.of("jobs.pruned")).toEqual([{ jobs: 5 }]);
  });

  test("has nothing to tell when there was nothing to do", async () => {
    await endedJobs(3, "cancelled", 2);
    const pruner = newPruner();
    await pruner.runOnce();
    expect(pruner.of("jobs.pruned")).toEqual([]);
  });
});
