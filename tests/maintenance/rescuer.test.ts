import { beforeEach, describe, expect, test } from "bun:test";
import { rescuer } from "../../src/maintenance/rescuer.ts";
import { testDatabase } from "../support/database.ts";
import { recorder } from "../support/events.ts";
import { expire, working } from "../support/factory.ts";
import { clear, leases, states } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

function newRescuer(maxLosses = 3) {
  const events = recorder();
  return { ...events, ...rescuer({ db, emit: events.emit, workerTtlMs: 15_000, maxLosses }) };
}

/** More than one statement handles: a lease for every job, as after many small takes. */
async function lostLeases(count: number, losses = 0) {
  const { worker } = await working(db, count);
  await db.sql`
    with whole as (delete from jobsvc.leases returning *)
    insert into jobsvc.leases (worker_id, queue, kind, priority, attempt, failures, losses, job_ids)
    select worker_id, queue, kind, priority, attempt, failures, ${losses}, array[job_id]
    from whole, unnest(job_ids) job_id`;
  await expire(db, worker);
}

describe("the rescuer", () => {
  test("brings back everything that was lost, however many statements that takes, and tells it once", async () => {
    await lostLeases(450);
    const rescuer = newRescuer();
    await rescuer.runOnce();
    expect(await leases(db)).toEqual([]);
    expect(await states(db)).not.toHaveProperty("running");
    expect(rescuer.of("jobs.rescued")).toEqual([{ lost: 450, crashed: 0, failed: 0 }]);
  });

  test("tells apart those that crash their workers", async () => {
    await lostLeases(3, 2);
    const rescuer = newRescuer(3);
    await rescuer.runOnce();
    expect(rescuer.of("jobs.rescued")).toEqual([{ lost: 0, crashed: 3, failed: 0 }]);
    expect(await states(db)).toEqual({ failed: 3 });
  });

  test("gives up after as many losses as the setting says", async () => {
    await lostLeases(2, 2);
    const rescuer = newRescuer(4);
    await rescuer.runOnce();
    expect(rescuer.of("jobs.rescued")).toEqual([{ lost: 2, crashed: 0, failed: 0 }]);
  });

  test("leaves the living alone and has nothing to tell", async () => {
    await working(db, 2);
    const rescuer = newRescuer();
    await rescuer.runOnce();
    expect(await leases(db)).toHaveLength(1);
    expect(rescuer.of("jobs.rescued")).toEqual([]);
  });

  test("comes round three times while a worker may be silent", () => {
    expect(newRescuer().everyMs).toBe(5_000);
  });
});
