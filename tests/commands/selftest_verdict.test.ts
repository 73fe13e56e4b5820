import { beforeEach, expect, test } from "bun:test";
import { judge, settled } from "../../src/commands/selftest_verdict.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, working } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** Three jobs that are completed, as a fleet leaves them. */
async function completed(): Promise<string[]> {
  const { worker, jobs } = await working(db, 3);
  await end(db, worker, jobs);
  return ids(jobs);
}

test("finds nothing where all is well", async () => {
  const asked = await completed();
  expect(await settled(db)).toBe(true);
  expect(await judge(db, asked)).toEqual({ completed: 3, lost: 0, again: 0, endedTwice: 0, problems: [] });
});

test("waits for what waits and for what runs", async () => {
  await insertNew(db, 1);
  expect(await settled(db)).toBe(false);
  await clear(db);
  await working(db, 1);
  expect(await settled(db)).toBe(false);
});

test("finds a job that is gone, and one that is not completed", async () => {
  const asked = await completed();
  await db.sql`delete from jobsvc.jobs where id = ${asked[0]!}`;
  const [waiting] = await insertNew(db, 1);
  expect(await judge(db, [...asked, waiting!.id])).toMatchObject({
    completed: 2,
    lost: 2,
    problems: ["2 acknowledged jobs are not completed"],
  });
});

test("finds an attempt that ended for good and was followed by another, and a gap in the numbers", async () => {
  const asked = await completed();
  const add = (id: string, attempt: number) => db.sql`
    insert into jobsvc.attempts (job_id, attempt, outcome, finished_at) values (${id}, ${attempt}, 'completed', now())`;
  await add(asked[0]!, 2);
  await add(asked[1]!, 3);
  const { endedTwice, problems } = await judge(db, asked);
  expect(endedTwice).toBe(2);
  expect(problems).toEqual([
    "2 attempts ended twice",
    "1 attempts have a number that does not follow the one before",
  ]);
});
