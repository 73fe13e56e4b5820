import { beforeEach, describe, expect, test } from "bun:test";
import { connect, type Database } from "../../src/db/connect.ts";
import { announceNow } from "../../src/queue/announce.ts";
import { announcedWork, WORK_CHANNEL } from "../../src/queue/channels.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { newJob } from "../support/factory.ts";
import { blocked, clear, ids, stateOf, states } from "../support/facts.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const many = (count: number, changes = {}) => Array.from({ length: count }, () => newJob(changes));
const nobody = () => {};

/** The same database, and the number of statements that went through it. */
function counted(db: Database) {
  const seen = { statements: 0 };
  const run: Database["run"] = (statement, deadlineMs) => {
    seen.statements++;
    return db.run(statement, deadlineMs);
  };
  return { db: { ...db, run }, seen };
}

describe("inserter", () => {
  test("sends a lone insert at once, and resolves when it is committed", async () => {
    const { db: watched, seen } = counted(db);
    const job = newJob();
    const inserted = inserter({ db: watched, onWaiting: nobody }).insert([job]);
    expect(seen.statements).toBe(1);
    await inserted;
    expect(await stateOf(db, job.id)).toBe("available");
  });

  test("sends what arrives while a statement is in flight together in the next one", async () => {
    const { db: watched, seen } = counted(db);
    const { insert } = inserter({ db: watched, onWaiting: nobody });
    await Promise.all(many(128).map((job) => insert([job])));
    expect(seen.statements).toBe(2);
    expect(await states(db)).toEqual({ available: 128 });
  });

  test("sends at most a thousand together", async () => {
    const { db: watched, seen } = counted(db);
    const { insert } = inserter({ db: watched, onWaiting: nobody });
    await Promise.all(many(2_101).map((job) => insert([job])));
    expect(seen.statements).toBe(1 + 3);
    expect(await states(db)).toEqual({ available: 2_101 });
  });

  test("sends a group of 128 while a statement is in flight, but no third one", async () => {
    const { db: watched, seen } = counted(db);
    const { insert } = inserter({ db: watched, onWaiting: nobody });
    const inserts = [insert([newJob()])];
    inserts.push(insert(many(127)));
    expect(seen.statements).toBe(1);
    inserts.push(insert([newJob()]));
    expect(seen.statements).toBe(2);
    inserts.push(insert(many(128)));
    expect(seen.statements).toBe(2);
    await Promise.all(inserts);
    expect(seen.statements).toBe(3);
    expect(await states(db)).toEqual({ available: 257 });
  });

  test("works again after it has been idle", async () => {
    const { insert } = inserter({ db, onWaiting: nobody });
    await insert([newJob()]);
    await insert([newJob()]);
    expect(await states(db)).toEqual({ available: 2 });
  });

  test("resolves nobody before their own statement is committed", async () => {
    const { insert } = inserter({ db, onWaiting: nobody });
    const [first, ...others] = many(10);
    const resolved: string[] = [];
    const insertAndNote = async (job: typeof first) => {
      await insert([job!]);
      resolved.push(job!.id);
    };
    await db.sql.begin(async (sql) => {
      // The statement of the first one cannot commit: its id is being inserted by somebody else.
      await sql`
        insert into jobsvc.jobs (id, kind, queue, priority, user_id, resource_id, payload, max_attempts)
        values (${first!.id}, 'ai_agent', 'default', 5, ${first!.userId}, ${first!.resourceId}, '{}', 4)`;
      void insertAndNote(first);
      await blocked(db);
      others.forEach((job) => void insertAndNote(job));
      expect(await states(db)).toEqual({});
      expect(resolved).toEqual([]);
    });
    await until("all to be resolved", () => resolved.length === 10);
    expect(resolved).toEqual(ids([first!, ...others]));
    expect(await states(db)).toEqual({ available: 10 });
  });

  test("rejects a job that the database refuses, and inserts its neighbours", async () => {
    const { insert } = inserter({ db, onWaiting: nobody });
    const jobs = [
      newJob(),
      newJob(),
      newJob({ payload: "{oops" }),
      newJob(),
      newJob({ priority: 10 }),
      newJob(),
    ];
    const answers = await Promise.allSettled(jobs.map((job) => insert([job])));
    expect(answers.map((answer) => answer.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    expect(answers[2]).toMatchObject({ reason: { code: "22P02" } });
    expect(answers[4]).toMatchObject({ reason: { code: "23514" } });
    expect(await states(db)).toEqual({ available: 4 });
  });

  test("is usable after a refused job", async () => {
    const { insert } = inserter({ db, onWaiting: nobody });
    await expect(insert([newJob({ payload: "" })])).rejects.toThrow();
    await insert([newJob()]);
    expect(await states(db)).toEqual({ available: 1 });
  });

  test("tells the queues of each group that went in, and nothing of a refused job", async () => {
    const told: string[][] = [];
    const { insert } = inserter({ db, onWaiting: (queues) => told.push([...queues].toSorted()) });
    await Promise.all([
      insert([newJob({ queue: "a" })]),
      insert([newJob({ queue: "c" })]),
      insert([newJob({ queue: "b" })]),
      insert([newJob({ queue: "c" })]),
    ]);
    expect(told).toEqual([["a"], ["b", "c"]]);
    await insert([newJob({ queue: "bad", payload: "" })]).catch(nobody);
    expect(told).toHaveLength(2);
  });

  test("lets the statement tell other processes of what waits, where that is left to it", async () => {
    const heard: string[] = [];
    await db.listen(
      WORK_CHANNEL,
      (payload) => heard.push(...announcedWork(payload).queues),
      () => undefined,
    );
    const told: boolean[] = [];
    let leave = true;
    const { insert } = inserter({
      db,
      onWaiting: (_, already) => told.push(already),
      leaveTelling: () => leave,
    });
    await insert([newJob({ queue: "a" }), newJob({ queue: "a" }), newJob({ queue: "b" })]);
    await until("both queues", () => heard.length >= 2);
    leave = false;
    await insert([newJob({ queue: "untold" })]);
    await announceNow(db, ["last"]);
    await until("the last", () => heard.includes("last"));
    expect(heard.toSorted()).toEqual(["a", "b", "last"]);
    expect(told).toEqual([true, false]);
  });

  test("rejects everybody when the database is out of reach, those who came meanwhile too, after one deadline", async () => {
    const away = connect({
      address: "postgres://nobody@127.0.0.1:1/none",
      name: "jobsvc test",
      connections: 1,
      prepare: true,
    });
    const impatient: Database = { ...away, run: (statement) => away.run(statement, 200) };
    const { db: watched, seen } = counted(impatient);
    const { insert } = inserter({ db: watched, onWaiting: nobody });
    const answers = await Promise.allSettled(many(50).map((job) => insert([job])));
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill("rejected"));
    expect(seen.statements).toBe(1);
    await away.close();
  });

  test("sends no second group after one that is late: they fail together, not one deadline after the other", async () => {
    const { db: watched, seen } = counted(db);
    const late = Promise.withResolvers<never>();
    const away: Database = {
      ...watched,
      run: (statement) => watched.run(() => late.promise.then(statement)),
    };
    const { insert } = inserter({ db: away, onWaiting: nobody });
    const startedMs = performance.now();
    const inserts = [insert([newJob()])];
    await until("the first to be late", () => performance.now() - startedMs > 500);
    for (const job of many(200)) inserts.push(insert([job]));
    late.reject(Object.assign(new Error("out of memory"), { code: "53200" }));
    const answers = await Promise.allSettled(inserts);
    expect(answers.map((answer) => answer.status)).toEqual(Array(201).fill("rejected"));
    expect(seen.statements).toBe(1);
    expect(await states(db)).toEqual({});
  });
});
