import { beforeEach, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { type JobFilter, listJobs } from "../../src/queue/list.ts";
import { retryJob } from "../../src/queue/retry.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, newJob, passTime, registered, take, working } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const page = async (filter: JobFilter, limit = 100) => (await listJobs(db, filter, { limit })).jobs;

describe("a job on its way", () => {
  test("is in the list of its state, and in no other", async () => {
    const [job] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
    const { id } = job!;
    const lists = async () => {
      const found: string[] = [];
      for (const state of ["scheduled", "available", "running", "retryable", "completed", "failed"] as const)
        if ((await page({ state })).length === 1) found.push(state);
      for (const ended of [true, false])
        if ((await page({ ended })).length === 1) found.push(`ended: ${ended}`);
      return found;
    };
    expect(await lists()).toEqual(["scheduled", "ended: false"]);
    await passTime(db, 61_000);
    expect(await lists()).toEqual(["available", "ended: false"]);
    const worker = await registered(db);
    const taken = await take(db, worker, 1);
    expect(await lists()).toEqual(["running", "ended: false"]);
    await end(db, worker, taken, { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
    expect(await lists()).toEqual(["retryable", "ended: false"]);
    await passTime(db, 61_000);
    expect(await lists()).toEqual(["available", "ended: false"]);
    const later = await registered(db);
    await end(db, later, await take(db, later, 1), { outcome: "failed" });
    expect(await lists()).toEqual(["failed", "ended: true"]);
    await retryJob(db, id);
    expect(await lists()).toEqual(["available", "ended: false"]);
    await end(db, later, await take(db, later, 1));
    expect(await lists()).toEqual(["completed", "ended: true"]);
    expect(await page({})).toMatchObject([
      { id, endedAttempts: 3, runAt: null, finishedAt: expect.any(Date) },
    ]);
  });

  test("is there once while a lease still names an attempt of it that has ended", async () => {
    const { worker, jobs } = await working(db, 2);
    const [first, second] = jobs;
    // Its lease stays for the sake of the other one.
    await end(db, worker, [first!], { outcome: "snoozed", retryAfterMs: 0 }, []);
    for (const filter of [{ state: "available" }, { ended: false, kind: "ai_agent" }] as const)
      expect(ids(await page(filter)).filter((id) => id === first!.id)).toEqual([first!.id]);
    expect(ids(await page({ state: "running" }))).toEqual([second!.id]);
    await take(db, worker, 1);
    expect(ids(await page({ state: "running" }))).toEqual([second!.id, first!.id]);
    expect(ids(await page({ ended: false }))).toEqual([second!.id, first!.id]);
    await cancelJob(db, second!.id);
    expect(ids(await page({ state: "running" }))).toEqual([first!.id]);
    expect(ids(await page({ state: "cancelled" }))).toEqual([second!.id]);
  });
});

describe("pages while much happens", () => {
  test("show every job once that was there from the beginning", async () => {
    const worker = await registered(db);
    await insertNew(db, 150);
    await end(db, worker, await take(db, worker, 50));
    const there = ids(await page({}, 1_000));
    const seen: string[] = [];
    for (let before: string | undefined; ; ) {
      const { jobs, next } = await listJobs(db, {}, { limit: 7, before });
      seen.push(...ids(jobs));
      await insertNew(db, 5);
      await end(db, worker, await take(db, worker, 4), { outcome: "failed", failures: 1, retryAfterMs: 0 });
      if (next === null) break;
      before = next;
    }
    expect(seen).toEqual(there);
  });

  test("show every job once that fits all the time, and none twice that comes and goes", async () => {
    const worker = await registered(db);
    const jobs = await insertNew(db, 120);
    const coming = new Set<string>();
    const staying = new Set(ids(jobs.slice(0, 60)));
    const seen: string[] = [];
    for (let before: string | undefined; ; ) {
      const { jobs, next } = await listJobs(db, { state: "available" }, { limit: 10, before });
      seen.push(...ids(jobs));
      const more = await insertNew(db, 3);
      for (const { id } of more) coming.add(id);
      // Those that stay were inserted first and would be taken first.
      const [gone] = ids(await page({ state: "available" }, 200)).filter((id) => !staying.has(id));
      if (gone) await cancelJob(db, gone);
      if (next === null) break;
      before = next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => staying.has(id)).length).toBe(staying.size);
    expect(seen.filter((id) => coming.has(id))).toEqual([]);
    await end(db, worker, await take(db, worker, 10));
  });
});

test("a few jobs behind a mountain of waiting ones are found, page by page", async () => {
  const behind = await insertNew(db, 3, { kind: "client_agent", tags: ["rare"] });
  const worker = await registered(db, { kinds: ["client_agent"] });
  await end(db, worker, await take(db, worker, 1), { outcome: "failed", failures: 1, retryAfterMs: 60_000 });
  const [retryable] = behind;
  const jobs = Array.from({ length: 11_000 }, () => newJob());
  await db.sql`
    with mountain as (
      insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
      select id, 'ai_agent', 'default', 5, gen_random_uuid(), gen_random_uuid(), '{}', 4
      from unnest(${ids(jobs)}::uuid[]) id
      returning *
    )
    insert into jobsvc.ready (queue, kind, priority, run_at, attempt, job_ids)
    select queue, kind, priority, created_at, 1, array_agg(id) from mountain group by queue, kind, priority, created_at`;
  const walk = async (filter: JobFilter) => {
    const found: string[] = [];
    for (let before: string | undefined; ; ) {
      const page = await listJobs(db, filter, { limit: 200, before });
      found.push(...ids(page.jobs));
      if (page.next === null) return found;
      before = page.next;
    }
  };
  expect(await walk({ state: "retryable" })).toEqual([retryable!.id]);
  expect(await walk({ state: "available", kind: "client_agent" })).toEqual(ids(behind.slice(1)).toReversed());
  expect(await walk({ ended: false, tag: "rare" })).toEqual(ids(behind).toReversed());
  expect(await walk({ ended: false })).toHaveLength(11_003);
  expect(await walk({ state: "available" })).toHaveLength(11_002);
});
