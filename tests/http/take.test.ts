import { beforeEach, describe, expect, test } from "bun:test";
import { revokeKey } from "../../src/access/keys.ts";
import { MAX_TAKERS } from "../../src/http/takers.ts";
import { announceNow } from "../../src/queue/announce.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { pauseQueue } from "../../src/queue/pause.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew, newJob, registered } from "../support/factory.ts";
import { clear, everything, ids, leases, outcomes } from "../support/facts.ts";
import { until } from "../support/until.ts";
import { create, pointersOf, problemOf, request, SEED_REQUEST, testApp } from "./client.ts";
import { newKey } from "./keyed.ts";
import { post, pullApp, type TakeAnswer, WORKER } from "./pulling.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

/** Longer than any test may take: whoever is answered has not waited for so long. */
const LONG = { wait: 60 };

const running = async () => (await db.sql`select from jobsvc.leases`).length;
const waitingWorkers = async (count: number) =>
  await until(`${count} workers to wait`, async () => {
    const [row] = await db.sql<{ count: number }[]>`select count(*)::int as count from jobsvc.workers`;
    return row!.count === count;
  });

describe("a take", () => {
  test("answers the job with all that a worker needs, payload to the byte", async () => {
    const { app, take, told } = await pullApp(db);
    const payload = '{"n": 1e400, "n":12345678901234567890,\t"s":"\\u0000"}';
    const job = newJob({
      payload,
      timeoutMs: 5_000,
      maxAttempts: 7,
      priority: 2,
      queue: "mail",
      kind: "letter",
    });
    await insertJobs(db, [job]);
    const response = await post(app, "/api/take", { queues: ["mail"], kinds: ["letter"], worker: WORKER });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    const text = await response.text();
    const { worker_id, ttl_ms, jobs } = JSON.parse(text) as TakeAnswer;
    expect(text).toEndWith(`,"payload":${payload}}]}`);
    const [{ lease_id, deadline_at, payload: _, ...taken }] = jobs as [TakeAnswer["jobs"][0]];
    expect(taken).toEqual({
      job_id: job.id,
      attempt: 1,
      kind: "letter",
      queue: "mail",
      priority: 2,
      user_id: job.userId,
      resource_id: job.resourceId,
      max_retries: 6,
      timeout_ms: 5_000,
    });
    expect(lease_id).toMatch(/^[\w-]{48}$/);
    expect(Date.parse(deadline_at) - Date.now()).toBeWithin(0, 6_000);
    expect(ttl_ms).toBe(30_000);
    expect(await leases(db)).toMatchObject([{ workerId: worker_id, jobIds: [job.id] }]);
    expect(told.filter(({ name }) => name === "job.taken")).toEqual([
      {
        name: "job.taken",
        fields: {
          job_id: job.id,
          kind: "letter",
          queue: "mail",
          attempt: 1,
          worker_id,
          waited_ms: expect.any(Number),
        },
      },
    ]);
    expect((await take({ queues: ["mail"], kinds: ["letter"] })).jobs).toEqual([]);
  });

  test("answers at most as many as were asked for, and one when nothing was said", async () => {
    const { take } = await pullApp(db);
    const jobs = await insertNew(db, 5);
    const first = await take();
    const more = await take({ limit: 3 });
    const rest = await take({ limit: 100 });
    const taken = [first, more, rest].map(({ jobs }) => jobs.map(({ job_id }) => job_id));
    expect(taken.map(({ length }) => length)).toEqual([1, 3, 1]);
    expect(taken.flat()).toEqual(ids(jobs));
  });

  test("looks into the queues in their order, and takes of the kinds that it names only", async () => {
    const { take } = await pullApp(db);
    const [other] = await insertNew(db, 1, { queue: "b" });
    const [first] = await insertNew(db, 1, { queue: "a" });
    await insertNew(db, 1, { queue: "a", kind: "unknown" });
    await insertNew(db, 1);
    const { jobs } = await take({ queues: ["a", "b"], limit: 10 });
    expect(jobs.map(({ job_id }) => job_id)).toEqual([first!.id, other!.id]);
  });

  test("makes the worker known, under one id from take to take", async () => {
    const { app, take } = await pullApp(db);
    const id = crypto.randomUUID();
    const { worker_id } = await take({
      worker: { id: id.toUpperCase(), name: "mine" },
      queues: ["a"],
      limit: 4,
    });
    expect(worker_id).toBe(id);
    await take({ worker: { id, name: "mine" }, queues: ["a"], limit: 4, ttl_ms: 5_000 });
    const { worker_id: made } = await take();
    const listed = (await (await request(app, "GET", "/api/workers")).json()) as { workers: unknown[] };
    expect(listed.workers).toMatchObject([
      { worker_id: id, name: "mine", role: "pull", queues: ["a"], kinds: ["ai_agent"], slots: 4, running: 0 },
      { worker_id: made, name: "host/1", slots: 1 },
    ]);
    const [row] = await db.sql`select ttl_ms from jobsvc.workers where id = ${id}`;
    expect(row).toEqual({ ttl_ms: 5_000 });
  });

  test("refuses the id of a process", async () => {
    const { app } = await pullApp(db);
    const { id } = await registered(db);
    await insertNew(db, 1);
    const before = await everything(db);
    const body = { kinds: ["ai_agent"], worker: { id, name: "me" }, ...LONG };
    expect(pointersOf(await problemOf(await post(app, "/api/take", body), 422))).toEqual(["/worker/id"]);
    expect(await everything(db)).toEqual(before);
  });

  test("takes nothing of a paused queue", async () => {
    const { take } = await pullApp(db);
    await insertNew(db, 1);
    await pauseQueue(db, "default");
    expect((await take()).jobs).toEqual([]);
  });

  test("gives one worker no second job that was lost twice, and takes ordinary ones beside it", async () => {
    const { take } = await pullApp(db);
    await insertNew(db, 3, { queue: "a" });
    await insertNew(db, 3, { queue: "b" });
    await db.sql`update jobsvc.ready set losses = 2`;
    const [ordinary] = await insertNew(db, 1, { queue: "b" });
    const worker = { id: crypto.randomUUID(), name: "me" };
    const wish = { queues: ["a", "b"], limit: 10, worker };
    const first = await take(wish);
    expect(first.jobs).toHaveLength(2);
    expect(first.jobs.map(({ job_id }) => job_id)).toContain(ordinary!.id);
    expect((await take(wish)).jobs).toEqual([]);
    expect((await take({ ...wish, worker: { name: "another" } })).jobs).toHaveLength(1);
  });

  test("by a hundred at once gives each job to one of them, and goes empty only when all are gone", async () => {
    const { take } = await pullApp(db);
    const jobs = await insertNew(db, 90);
    const answers = await Promise.all(Array.from({ length: 100 }, () => take()));
    const taken = answers.flatMap(({ jobs }) => jobs.map(({ job_id }) => job_id));
    expect(taken.toSorted()).toEqual(ids(jobs).toSorted());
    expect(new Set(answers.map(({ worker_id }) => worker_id)).size).toBe(100);
  });

  test("sees what was committed before it was called, however many are looking", async () => {
    const { app, take } = await pullApp(db);
    for (let round = 0; round < 20; round++) {
      const others = Array.from({ length: 5 }, () => take({ wait: 0, kinds: ["ai_agent"] }));
      const created = await create(app, { ...SEED_REQUEST, queue: "mine" });
      expect(created.status).toBe(201);
      expect((await take({ queues: ["mine"] })).jobs).toHaveLength(1);
      await Promise.all(others);
    }
  });
});

describe("a take that waits", () => {
  test("is woken at once by an insert into this process", async () => {
    const { app, take } = await pullApp(db);
    const waiting = take(LONG);
    await waitingWorkers(1);
    await create(app, SEED_REQUEST);
    expect((await waiting).jobs).toHaveLength(1);
  });

  test("is woken by the notification of another process", async () => {
    const { take } = await pullApp(db);
    const waiting = take(LONG);
    await waitingWorkers(1);
    const [job] = await insertNew(db, 1);
    await announceNow(db, ["default"]);
    expect((await waiting).jobs[0]!.job_id).toBe(job!.id);
  });

  test("finds by polling what nobody announced", async () => {
    const { take } = await pullApp(db, { pollIntervalMs: 50 });
    const waiting = take(LONG);
    await waitingWorkers(1);
    const [job] = await insertNew(db, 1);
    expect((await waiting).jobs[0]!.job_id).toBe(job!.id);
  });

  test("finds what a long transaction has committed late, if that is told", async () => {
    const { take } = await pullApp(db);
    const waiting = take(LONG);
    await waitingWorkers(1);
    const [job] = await insertNew(db, 1);
    await db.sql`update jobsvc.ready set run_at = run_at - interval '1 minute'`;
    await db.sql`select pg_notify('jobsvc_work', ${`default ${Date.now() - 61_000}`})`;
    expect((await waiting).jobs[0]!.job_id).toBe(job!.id);
  });

  test("serves those who wait in the order in which they came, each once", async () => {
    const { take, takers } = await pullApp(db);
    const order: number[] = [];
    const waiting = [];
    for (const place of [0, 1, 2, 3]) {
      waiting.push(take(LONG).then(({ jobs }) => jobs.length > 0 && order.push(place)));
      await waitingWorkers(place + 1);
    }
    await insertNew(db, 2);
    takers.wake("default");
    await until("two to be served", () => order.length === 2);
    expect(order).toEqual([0, 1]);
    await insertNew(db, 2);
    takers.wake("default");
    await Promise.all(waiting);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("costs a look for all, however many wait", async () => {
    let statements = 0;
    const counting = {
      ...db,
      run: ((statement, deadlineMs) => {
        statements++;
        return db.run(statement, deadlineMs);
      }) as typeof db.run,
    };
    const { take, takers } = await pullApp(counting, { pollIntervalMs: 20 });
    const waiting = Array.from({ length: 60 }, () => take(LONG));
    await waitingWorkers(60);
    const before = statements;
    const begunMs = performance.now();
    await until("twenty looks", () => statements - before >= 20);
    // The lanes are read and a take is tried, at most once in a poll interval.
    expect(statements - before).toBeLessThan(2 * ((performance.now() - begunMs) / 20) + 10);
    await takers.stop();
    for (const { jobs } of await Promise.all(waiting)) expect(jobs).toEqual([]);
  });

  test("does not keep those from work who wish something else", async () => {
    const { take, takers } = await pullApp(db);
    const other = take({ ...LONG, kinds: ["video"] });
    await waitingWorkers(1);
    const mine = take(LONG);
    await waitingWorkers(2);
    await insertNew(db, 1);
    takers.wake("default");
    expect((await mine).jobs).toHaveLength(1);
    await insertNew(db, 1, { kind: "video" });
    takers.wake("default");
    expect((await other).jobs).toHaveLength(1);
  });

  test("is answered with nothing when its time is over", async () => {
    const { take } = await pullApp(db);
    const begunMs = performance.now();
    expect((await take({ wait: 1 })).jobs).toEqual([]);
    expect(performance.now() - begunMs).toBeWithin(990, 5_000);
  });

  test("keeps its worker alive all the while, whether or not it stands first", async () => {
    const { take, takers } = await pullApp(db);
    const waiting = [take({ ...LONG, ttl_ms: 3_000 }), take({ ...LONG, ttl_ms: 3_000 })];
    await waitingWorkers(2);
    const lifeOf = async () =>
      (await db.sql<{ at: Date }[]>`select expires_at as at from jobsvc.workers order by id`).map(
        ({ at }) => +at,
      );
    const before = await lifeOf();
    await until("both to be registered again", async () =>
      (await lifeOf()).every((at, place) => at > before[place]!),
    );
    await insertNew(db, 2);
    takers.wake("default");
    for (const { jobs } of await Promise.all(waiting)) expect(jobs).toHaveLength(1);
  });

  test("is answered at once when the service stops, and later ones are sent elsewhere", async () => {
    const { app, take, takers } = await pullApp(db);
    const waiting = take(LONG);
    await waitingWorkers(1);
    await takers.stop();
    expect((await waiting).jobs).toEqual([]);
    const refused = await post(app, "/api/take", { kinds: ["ai_agent"], worker: WORKER, ...LONG });
    expect(refused.headers.get("retry-after")).toBe("2");
    expect((await problemOf(refused, 503)).detail).toContain("stops");
  });

  test("takes nothing for a client that has left", async () => {
    const { take, takers } = await pullApp(db);
    const leaving = new AbortController();
    const gone = take(LONG, { signal: leaving.signal });
    await waitingWorkers(1);
    leaving.abort();
    const [job] = await insertNew(db, 1);
    takers.wake("default");
    expect((await gone).jobs).toEqual([]);
    expect((await take()).jobs[0]!.job_id).toBe(job!.id);
  });

  test("gives back what was taken while its client left, and nothing counts against the job", async () => {
    const leaving = new AbortController();
    const { take, takers } = await pullApp({
      ...db,
      // It leaves between the take and the answer.
      async run(statement, deadlineMs) {
        const answer = await db.run(statement, deadlineMs);
        if ((await running()) > 0) leaving.abort();
        return answer;
      },
    });
    const gone = take(LONG, { signal: leaving.signal });
    await waitingWorkers(1);
    const [job] = await insertNew(db, 1);
    takers.wake("default");
    expect((await gone).jobs).toEqual([]);
    expect(await outcomes(db, job!.id)).toEqual(["released"]);
    expect(await leases(db)).toEqual([]);
    expect((await take()).jobs).toMatchObject([{ job_id: job!.id, attempt: 2 }]);
  });

  test("hands nothing to a key that was revoked meanwhile, and gives it back", async () => {
    const { app, takers } = await pullApp(db);
    const { id, headers } = await newKey(db, { scopes: ["jobs:work"] });
    const body = { kinds: ["ai_agent"], worker: WORKER, ...LONG };
    const waiting = post(app, "/api/take", body, { headers });
    await waitingWorkers(1);
    await revokeKey(db, id);
    const [job] = await insertNew(db, 1);
    takers.wake("default");
    expect((await problemOf(await waiting, 403)).detail).toContain("revoked");
    expect(await outcomes(db, job!.id)).toEqual(["released"]);
  });

  test("hears that the database is away, and so does the next", async () => {
    let away = false;
    const { app } = await pullApp({
      ...db,
      run: (statement, deadlineMs) =>
        away
          ? Promise.reject(Object.assign(new Error("away"), { code: "ECONNREFUSED" }))
          : db.run(statement, deadlineMs),
    });
    const body = { kinds: ["ai_agent"], worker: WORKER, ...LONG };
    const waiting = post(app, "/api/take", { ...body });
    await waitingWorkers(1);
    away = true;
    // Its registration is due, or somebody else comes.
    const another = post(app, "/api/take", { ...body });
    for (const response of await Promise.all([waiting, another])) {
      expect(response.headers.get("retry-after")).toBe("2");
      await problemOf(response, 503);
    }
  });

  test("is refused where too many wait already", async () => {
    const { app, take, takers } = await pullApp(db);
    const waiting = Array.from({ length: MAX_TAKERS }, () => take(LONG));
    const refused = await post(app, "/api/take", { kinds: ["ai_agent"], worker: WORKER });
    await problemOf(refused, 503);
    await takers.stop();
    for (const { jobs } of await Promise.all(waiting)) expect(jobs).toEqual([]);
  });
});

describe("what cannot be taken:", () => {
  const ok = { kinds: ["ai_agent"], worker: WORKER };
  const BODIES: [why: string, body: unknown, pointers: string[]][] = [
    ["nothing said", {}, ["/kinds", "/worker"]],
    ["no kind", { ...ok, kinds: [] }, ["/kinds"]],
    ["a kind twice", { ...ok, kinds: ["a", "a"] }, ["/kinds"]],
    ["a kind that is no name", { ...ok, kinds: ["a", "a b"] }, ["/kinds/1"]],
    ["no queue", { ...ok, queues: [] }, ["/queues"]],
    ["a queue that is no name", { ...ok, queues: [""] }, ["/queues/0"]],
    ["too many queues", { ...ok, queues: Array.from({ length: 11 }, (_, n) => `q${n}`) }, ["/queues"]],
    ["none", { ...ok, limit: 0 }, ["/limit"]],
    ["too many", { ...ok, limit: 101 }, ["/limit"]],
    ["half a job", { ...ok, limit: 1.5 }, ["/limit"]],
    ["too long a wait", { ...ok, wait: 61 }, ["/wait"]],
    ["a wait as a text", { ...ok, wait: "1" }, ["/wait"]],
    ["too short a life", { ...ok, ttl_ms: 2_999 }, ["/ttl_ms"]],
    ["too long a life", { ...ok, ttl_ms: 3_600_001 }, ["/ttl_ms"]],
    ["a worker without a name", { ...ok, worker: {} }, ["/worker/name"]],
    ["a worker with an empty name", { ...ok, worker: { name: "" } }, ["/worker/name"]],
    ["a name that cannot be kept", { ...ok, worker: { name: "a\0" } }, ["/worker/name"]],
    ["an id that is none", { ...ok, worker: { name: "a", id: "1" } }, ["/worker/id"]],
    ["unknown fields", { ...ok, max: 1, worker: { name: "a", pid: 1 } }, ["/max", "/worker/pid"]],
    ["a list", [ok], [""]],
  ];

  test.each(BODIES)("%s", async (_, body, pointers) => {
    const { app } = testApp();
    expect(pointersOf(await problemOf(await post(app, "/api/take", body), 422)).sort()).toEqual(pointers);
  });

  test("a body that is no JSON, or too large", async () => {
    const { app } = testApp();
    await problemOf(await post(app, "/api/take", "{"), 400);
    const worker = { name: "x".repeat(20_000) };
    await problemOf(await post(app, "/api/take", { ...ok, worker }), 413);
    await problemOf(await request(app, "POST", "/api/take", { body: JSON.stringify(ok) }), 415);
  });
});

describe("a key that is limited", () => {
  const limits = { queues: ["mail", "post"], kinds: ["letter", "card"] };

  test("takes within its limits, and from all its queues when none are named", async () => {
    const { take } = await pullApp(db);
    const { headers } = await newKey(db, { scopes: ["jobs:work"], takes: limits });
    for (const queue of ["default", "mail", "post"]) await insertNew(db, 1, { queue, kind: "letter" });
    const { jobs } = await take({ kinds: ["letter"], limit: 10 }, { headers });
    expect(jobs.map(({ queue }) => queue)).toEqual(["mail", "post"]);
    expect((await take({ kinds: ["letter", "card"], queues: ["post"] }, { headers })).jobs).toEqual([]);
  });

  test("is told which queues and kinds are not its own, and takes nothing then", async () => {
    const { app } = await pullApp(db);
    const { headers } = await newKey(db, { scopes: ["jobs:work"], takes: limits });
    await insertNew(db, 1, { queue: "mail", kind: "letter" });
    const before = await everything(db);
    const body = { queues: ["mail", "default"], kinds: ["ai_agent", "letter"], worker: WORKER };
    const problem = await problemOf(await post(app, "/api/take", body, { headers }), 403);
    expect(problem.errors).toEqual([
      { pointer: "/queues/1", detail: "is not a queue of this API key: mail, post" },
      { pointer: "/kinds/0", detail: "is not a kind of this API key: letter, card" },
    ]);
    expect(await everything(db)).toEqual(before);
  });

  test("in one respect is free in the other", async () => {
    const { take } = await pullApp(db);
    const ofKinds = await newKey(db, { scopes: ["jobs:work"], takes: { queues: null, kinds: ["letter"] } });
    const ofQueues = await newKey(db, { scopes: ["jobs:work"], takes: { queues: ["mail"], kinds: null } });
    await insertNew(db, 1, { queue: "anything", kind: "letter" });
    await insertNew(db, 1, { queue: "mail", kind: "anything" });
    const free = await take({ queues: ["anything"], kinds: ["letter"] }, { headers: ofKinds.headers });
    expect(free.jobs).toHaveLength(1);
    expect((await take({ kinds: ["anything"] }, { headers: ofQueues.headers })).jobs).toHaveLength(1);
  });
});
