import { beforeEach, describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { type Claim, pruneClaims, readClaim } from "../../src/queue/claim.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { newJob } from "../support/factory.ts";
import { blocked, clear, ids, stateOf, states } from "../support/facts.ts";
import { session } from "../support/session.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const many = (count: number) => Array.from({ length: count }, () => newJob());

function claim(changes: Partial<Claim> = {}): Claim {
  return { owner: "somebody", key: "k", requestHash: "hash", ...changes };
}

/** Inserts these jobs together, all under one claim. Answers whether that made it. */
async function insert(jobs: ReturnType<typeof many>, changes: Partial<Claim> = {}, into: Database = db) {
  const inserted = await insertJobs(into, jobs, [{ ...claim(changes), jobIds: ids(jobs) }]);
  expect([0, jobs.length]).toContain(inserted.length);
  return inserted.length > 0;
}

/** As if the claims had been made so much earlier. */
const age = (hours: number) =>
  db.sql`update jobsvc.idempotency_keys set created_at = created_at - ${hours} * interval '1 hour'`;

describe("a claim", () => {
  test("is made with its jobs, and remembers them in their order", async () => {
    const jobs = many(3).toReversed();
    expect(await insert(jobs)).toBe(true);
    expect(await readClaim(db, { owner: "somebody", key: "k" })).toEqual({
      requestHash: "hash",
      jobIds: ids(jobs),
    });
    expect(await readClaim(db, { owner: "somebody", key: "K" })).toBeUndefined();
    expect(await readClaim(db, { owner: "nobody", key: "k" })).toBeUndefined();
  });

  test("that was made before inserts nothing, and stays what it was", async () => {
    const [first, second] = [many(2), many(3)];
    await insert(first);
    expect(await insert(second, { requestHash: "other" })).toBe(false);
    expect(await readClaim(db, { owner: "somebody", key: "k" })).toEqual({
      requestHash: "hash",
      jobIds: ids(first),
    });
    expect(await states(db)).toEqual({ available: 2 });
  });

  test("is one owner's, and one key's", async () => {
    expect(await insert(many(1))).toBe(true);
    expect(await insert(many(1), { owner: "somebody else" })).toBe(true);
    expect(await insert(many(1), { key: "another" })).toBe(true);
    expect(await states(db)).toEqual({ available: 3 });
  });

  test("is repeated as it was after an unknown answer, and inserts nothing twice", async () => {
    const jobs = many(2);
    await insert(jobs);
    expect(await insert(jobs)).toBe(false);
    expect((await readClaim(db, { owner: "somebody", key: "k" }))!.jobIds).toEqual(ids(jobs));
    expect(await states(db)).toEqual({ available: 2 });
  });

  test("is not made when its jobs are refused", async () => {
    await expect(insert([newJob(), newJob({ payload: "{" })])).rejects.toThrow();
    expect(await readClaim(db, { owner: "somebody", key: "k" })).toBeUndefined();
    expect(await insert(many(1))).toBe(true);
  });

  test("holds for a day, and is then made anew", async () => {
    const [first, second, third] = [many(1), many(1), many(1)];
    await insert(first);
    await age(23.99);
    expect(await insert(second)).toBe(false);
    await age(0.02);
    expect(await insert(second, { requestHash: "other" })).toBe(true);
    expect(await readClaim(db, { owner: "somebody", key: "k" })).toEqual({
      requestHash: "other",
      jobIds: ids(second),
    });
    expect(await insert(third)).toBe(false);
    expect(await states(db)).toEqual({ available: 2 });
  });

  test("of hostile texts is kept as it is", async () => {
    const key = `"\\,{}NULL'; drop table jobsvc.jobs;--é👩‍🚀`;
    await insert(many(1), { key, owner: key, requestHash: key });
    expect(await readClaim(db, { owner: key, key: key })).toMatchObject({ requestHash: key });
  });

  test("of ten thousand jobs is made with them", async () => {
    const jobs = many(10_000);
    expect(await insert(jobs)).toBe(true);
    expect((await readClaim(db, { owner: "somebody", key: "k" }))!.jobIds).toEqual(ids(jobs));
    expect(await insert(jobs)).toBe(false);
  });
});

describe("claims at the same time", () => {
  test("by two: one is made, and the other waits to see whether it is", async () => {
    for (const outcome of ["commit", "rollback"] as const) {
      await using one = session(db);
      const [first, second] = [many(1), many(1)];
      await one.sql`begin`;
      expect(await insert(first, {}, one)).toBe(true);
      const other = insert(second);
      await blocked(db);
      await one.sql.unsafe(outcome);
      expect(await other).toBe(outcome === "rollback");
      const [made] = outcome === "commit" ? first : second;
      expect((await readClaim(db, { owner: "somebody", key: "k" }))!.jobIds).toEqual([made!.id]);
      expect(await stateOf(db, made!.id)).toBe("available");
      expect(await states(db)).toEqual({ available: 1 });
      await clear(db);
    }
  });

  test("in one group: those without a claim are inserted, of the same claim one", async () => {
    const { insert } = inserter({ db, onWaiting() {} });
    const jobs = many(6);
    const claims = [undefined, claim(), undefined, claim(), claim({ key: "another" }), claim()];
    const answers = await Promise.all(jobs.map((job, place) => insert([job], claims[place])));
    expect(answers).toEqual([true, true, true, false, true, false]);
    expect(await states(db)).toEqual({ available: 4 });
    for (const [place, answer] of answers.entries())
      expect(await stateOf(db, jobs[place]!.id)).toBe(answer ? "available" : undefined);
  });

  test("by many, of several keys in different order: no deadlock, one job for each key", async () => {
    const inserted = await Promise.all(
      Array.from({ length: 20 }, async (_, place) => {
        // Where nothing is tried again, so that a deadlock would be seen.
        await using own = session(db);
        const jobs = many(10);
        const claims = jobs.map(({ id }, n) => ({
          ...claim({ key: `k${(n * 7 + place) % 10}` }),
          jobIds: [id],
        }));
        return await insertJobs(own, jobs, claims);
      }),
    );
    expect(inserted.flat()).toHaveLength(10);
    expect(await states(db)).toEqual({ available: 10 });
  });
});

describe("forgetting claims", () => {
  test("takes the oldest that are over a day old, a few at a time", async () => {
    for (let hours = 1; hours <= 5; hours++) {
      await insert(many(1), { key: `k${hours}` });
      await age(8);
    }
    expect(await pruneClaims(db, 2)).toBe(2);
    expect(
      (await db.sql`select key from jobsvc.idempotency_keys order by key`).map(({ key }) => key),
    ).toEqual(["k3", "k4", "k5"]);
    expect(await pruneClaims(db, 2)).toBe(1);
    expect(await pruneClaims(db, 2)).toBe(0);
    expect(await states(db)).toEqual({ available: 5 });
  });

  test("spares one that is made anew in this moment", async () => {
    const [first, second, third] = [many(1), many(1), many(1)];
    await insert(first);
    await age(25);
    await using again = session(db);
    await again.sql`begin`;
    expect(await insert(second, {}, again)).toBe(true);
    const pruned = pruneClaims(db, 10);
    await blocked(db);
    await again.sql`commit`;
    expect(await pruned).toBe(0);
    expect(await insert(third)).toBe(false);
  });
});
