import { beforeEach, describe, expect, test } from "bun:test";
import { connect, type Database } from "../../src/db/connect.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take, working } from "../support/factory.ts";
import { clear, everything, ids, stateOf, states } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { JSON_TYPE, pointersOf, problemOf, request } from "./client.ts";
import { FOREIGNER, keyedApp, newKey, OWNER } from "./keyed.ts";
import { AUTHORIZATION, SETTINGS_KEY } from "./wire.ts";

const db = await testDatabase();
const node = (on: Database = db) => keyedApp(on, { settingsKeys: [SETTINGS_KEY] });
const { app, told } = node();

beforeEach(() => clear(db));

interface Done {
  matched: number;
  changed: number;
  complete: boolean;
}

type Action = "cancel" | "retry" | "delete";
const ACTIONS: Action[] = ["cancel", "retry", "delete"];

const post = (action: Action, body: unknown, headers: Record<string, string> = AUTHORIZATION, to = app) =>
  request(to, "POST", `/api/jobs/${action}`, {
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function bulk(
  action: Action,
  filter: object,
  more: object = {},
  headers = AUTHORIZATION,
): Promise<Done> {
  const response = await post(action, { filter, ...more }, headers);
  expect(response.status).toBe(200);
  return (await response.json()) as Done;
}

const done = (changed: number, matched = changed) => ({ matched, changed, complete: true });

const audit = async () => [
  ...(await db.sql<{ action: string; key_id: string | null; detail: Record<string, unknown> }[]>`
    select action, key_id, job_id, detail from jobsvc.audit order by id`),
];

/** Two jobs in each state, of two kinds, in two queues. */
async function world(userId = OWNER) {
  const worker = await registered(db, { kinds: ["ai_agent", "client_agent"] });
  const make = async (changes: object = {}) => [
    ...(await insertNew(db, 1, { userId, tags: ["a"], ...changes })),
    ...(await insertNew(db, 1, { userId, kind: "client_agent", ...changes })),
  ];
  const ended = async (outcome: "completed" | "failed", changes: object = {}) => {
    const jobs = await make();
    await end(db, worker, await take(db, worker, 2), { outcome, ...changes });
    return jobs;
  };
  const all = {
    completed: await ended("completed"),
    failed: await ended("failed"),
    retryable: await ended("failed", { failures: 1, retryAfterMs: 60_000 }),
    cancelled: await make(),
    running: [] as { id: string }[],
    available: [] as { id: string }[],
    scheduled: await make({ scheduledAt: new Date(Date.now() + 60_000) }),
  };
  for (const { id } of all.cancelled) await cancelJob(db, id);
  all.running = await make();
  await take(db, worker, 2);
  all.available = await make({ queue: "mail" });
  return { worker, ...all };
}

const OPEN = { scheduled: 2, available: 2, running: 2, retryable: 2 };
const ENDED = { completed: 2, failed: 2, cancelled: 2 };

describe("all jobs", () => {
  test("are cancelled that have not ended, waiting and running alike", async () => {
    const { worker } = await world();
    expect(await bulk("cancel", {})).toEqual(done(8));
    expect(await states(db)).toEqual({ ...ENDED, cancelled: 10 });
    expect(await take(db, worker, 10)).toEqual([]);
    expect(await bulk("cancel", {})).toEqual(done(0));
  });

  test("run again that have ended", async () => {
    await world();
    expect(await bulk("retry", {})).toEqual(done(6));
    expect(await states(db)).toEqual({ ...OPEN, available: 8 });
    expect(await bulk("retry", {})).toEqual(done(0));
  });

  test("are deleted that have ended, with everything", async () => {
    await world();
    expect(await bulk("delete", {})).toEqual(done(6));
    expect(await states(db)).toEqual(OPEN);
    expect(await bulk("delete", {})).toEqual(done(0));
  });

  test.each(ACTIONS)("are only counted by a dry run of %s", async (action) => {
    await world();
    const before = await everything(db);
    expect(await bulk(action, {}, { dry_run: true })).toEqual(done(0, action === "cancel" ? 8 : 6));
    expect(await everything(db)).toEqual(before);
    expect(await audit()).toEqual([]);
    expect(await bulk(action, {}, { dry_run: false })).toEqual(done(action === "cancel" ? 8 : 6));
  });
});

describe("the jobs that fit a filter", () => {
  test.each([
    ["retry", { state: "failed" }, { ...OPEN, ...ENDED, failed: 0, available: 4 }, 2],
    [
      "retry",
      { state: "failed", resource_type: "ai_agent" },
      { ...OPEN, ...ENDED, failed: 1, available: 3 },
      1,
    ],
    ["retry", { state: "running" }, { ...OPEN, ...ENDED }, 0],
    ["cancel", { state: "available" }, { ...OPEN, ...ENDED, available: 0, cancelled: 4 }, 2],
    ["cancel", { state: "running", tag: "a" }, { ...OPEN, ...ENDED, running: 1, cancelled: 3 }, 1],
    ["cancel", { queue: "mail" }, { ...OPEN, ...ENDED, available: 0, cancelled: 4 }, 2],
    ["cancel", { state: "completed" }, { ...OPEN, ...ENDED }, 0],
    ["cancel", { user_id: FOREIGNER }, { ...OPEN, ...ENDED }, 0],
    ["cancel", { created_before: "2020-01-01T00:00:00Z" }, { ...OPEN, ...ENDED }, 0],
    ["delete", { state: "completed" }, { ...OPEN, ...ENDED, completed: 0 }, 2],
    [
      "delete",
      { tag: "a", created_after: "2020-01-01T00:00:00Z" },
      { ...OPEN, completed: 1, failed: 1, cancelled: 1 },
      3,
    ],
    ["delete", { user_id: OWNER.toUpperCase(), state: "cancelled" }, { ...OPEN, ...ENDED, cancelled: 0 }, 2],
  ] as const)("are what %s %j means", async (action, filter, after, changed) => {
    await world();
    expect(await bulk(action, filter, { dry_run: true })).toEqual(done(0, changed));
    expect(await bulk(action, filter)).toEqual(done(changed));
    const left = Object.fromEntries(Object.entries(after).filter(([, jobs]) => jobs > 0));
    expect(await states(db)).toEqual(left);
  });

  test("are taken again after a retry of all that failed, each once", async () => {
    const { worker, jobs } = await working(db, 30);
    await end(db, worker, jobs, { outcome: "failed", failures: 4 });
    const answers = await Promise.all([
      bulk("retry", { state: "failed" }),
      bulk("retry", { state: "failed" }),
    ]);
    expect(answers[0]!.changed + answers[1]!.changed).toBe(30);
    const again = await take(db, worker, 100);
    expect(ids(again).toSorted()).toEqual(ids(jobs).toSorted());
    expect(new Set(again.map((job) => job.attempt))).toEqual(new Set([2]));
  });
});

test("ten thousand are done at a time; the next call comes to the others", async () => {
  const worker = await registered(db);
  for (let rest = 10_040; rest > 0; rest -= 5_020) await insertNew(db, 5_020);
  // Those that cannot be cancelled are newer, and must not stand in the way.
  const ended = await insertNew(db, 10, { queue: "default", priority: 1 });
  await end(db, worker, await take(db, worker, 10));
  expect(await bulk("cancel", {}, { dry_run: true })).toEqual({
    matched: 10_000,
    changed: 0,
    complete: false,
  });
  expect(await bulk("cancel", {})).toEqual({ matched: 10_000, changed: 10_000, complete: false });
  expect(await states(db)).toEqual({ cancelled: 10_000, available: 40, completed: 10 });
  expect(await bulk("cancel", {})).toEqual(done(40));
  expect(await bulk("retry", { state: "cancelled" })).toEqual({
    matched: 10_000,
    changed: 10_000,
    complete: false,
  });
  expect(await bulk("retry", { state: "cancelled" })).toEqual(done(40));
  await bulk("cancel", { state: "available" });
  await bulk("cancel", { state: "available" });
  expect(await bulk("delete", {})).toEqual({ matched: 10_000, changed: 10_000, complete: false });
  expect(await bulk("delete", {})).toEqual(done(50));
  expect(await everything(db)).toMatchObject({ jobs: null, ready: null, leases: null, attempts: null });
  expect(await stateOf(db, ended[0]!.id)).toBeUndefined();
}, 60_000);

describe("a key that is bound to a user", () => {
  test.each(ACTIONS)("%ss its own user's jobs only", async (action) => {
    await world(OWNER);
    await world(FOREIGNER);
    const { id, headers } = await newKey(db, { scopes: ["jobs:manage"], userId: OWNER });
    const own = action === "cancel" ? 8 : 6;
    expect(await bulk(action, { user_id: FOREIGNER }, {}, headers as typeof AUTHORIZATION)).toEqual(done(0));
    expect(await bulk(action, {}, { dry_run: true }, headers as typeof AUTHORIZATION)).toEqual(done(0, own));
    expect(await bulk(action, {}, {}, headers as typeof AUTHORIZATION)).toEqual(done(own));
    const foreign = await db.sql`
      select state, count(*)::int as jobs from jobsvc.jobs join jobsvc.job_states using (id)
      where user_id = ${FOREIGNER} group by state`;
    expect(Object.fromEntries(foreign.map(({ state, jobs }) => [state, jobs]))).toEqual({
      ...OPEN,
      ...ENDED,
    });
    expect(await audit()).toMatchObject([{ action: `jobs.${action}`, key_id: id }]);
  });
});

describe("the audit", () => {
  test.each(ACTIONS)(
    "has a row for each %s that did something, with its filter and how many",
    async (action) => {
      await world();
      const filter = { resource_type: "ai_agent", tag: "a" };
      const { changed } = await bulk(action, filter);
      await bulk(action, { queue: "nowhere" });
      expect(await audit()).toEqual([
        {
          action: `jobs.${action}`,
          key_id: null,
          job_id: null,
          detail: { filter, changed, by: expect.stringMatching(/^settings:/) },
        } as never,
      ]);
    },
  );

  test("also has what was done before the database went away", async () => {
    await insertNew(db, 1_200);
    const proxy = await proxyTo(db.address);
    const behind = connect({ address: proxy.url, name: "jobsvc test", connections: 1, prepare: true });
    let cancels = 0;
    const failing: Database = {
      ...behind,
      async run(statement, deadlineMs) {
        const [job] = await db.sql`select count(*)::int as ended from jobsvc.attempts`;
        if (job!.ended === 500 && cancels++ === 0) throw Object.assign(new Error("gone"), { code: "57P01" });
        return await behind.run(statement, deadlineMs);
      },
    };
    await problemOf(await post("cancel", { filter: {} }, AUTHORIZATION, node(failing).app), 503);
    expect(await audit()).toMatchObject([{ action: "jobs.cancel", detail: { changed: 500 } }]);
    expect(await states(db)).toEqual({ cancelled: 500, available: 700 });
    await behind.close();
  });
});

describe("a body that is not understood is refused:", () => {
  test.each([
    ["{", 400, []],
    ["", 400, []],
    ["[]", 422, [""]],
    ["null", 422, [""]],
    [{}, 422, ["/filter"]],
    [{ filter: null }, 422, ["/filter"]],
    [{ filter: [] }, 422, ["/filter"]],
    [{ filter: "all" }, 422, ["/filter"]],
    [{ filter: {}, limit: 1 }, 422, ["/limit"]],
    [{ filter: {}, dry_run: "yes" }, 422, ["/dry_run"]],
    [{ filter: {}, dry_run: 1 }, 422, ["/dry_run"]],
    [{ filter: {}, dry_run: null }, 422, ["/dry_run"]],
    [{ filter: { state: "done" } }, 422, ["/filter/state"]],
    [{ filter: { state: ["failed"] } }, 422, ["/filter/state"]],
    [{ filter: { state: null } }, 422, ["/filter/state"]],
    [{ filter: { kind: "ai_agent" } }, 422, ["/filter/kind"]],
    [{ filter: { resource_type: "a b" } }, 422, ["/filter/resource_type"]],
    [{ filter: { queue: "" } }, 422, ["/filter/queue"]],
    [{ filter: { user_id: "me" } }, 422, ["/filter/user_id"]],
    [{ filter: { tag: "" } }, 422, ["/filter/tag"]],
    [{ filter: { tag: "a\0" } }, 422, ["/filter/tag"]],
    [{ filter: { tag: "\ud800" } }, 422, ["/filter/tag"]],
    [{ filter: { created_after: "2026-02-30T00:00:00Z" } }, 422, ["/filter/created_after"]],
    [{ filter: { created_before: "2026-01-01" } }, 422, ["/filter/created_before"]],
    [{ filter: { limit: 1 } }, 422, ["/filter/limit"]],
    ['{"filter":{},"filter":{"state":"x"}}', 422, ["/filter/state"]],
    ['{"filter":{"__proto__":{"state":"failed"}}}', 422, ["/filter/__proto__"]],
  ] as const)("%j", async (body, status, pointers) => {
    const [job] = await insertNew(db, 1);
    for (const action of ACTIONS) {
      const problem = await problemOf(await post(action, body), status);
      expect(pointersOf(problem)).toEqual([...pointers]);
      for (const { detail } of problem.errors ?? []) expect(detail).not.toContain("undefined");
    }
    expect(await stateOf(db, job!.id)).toBe("available");
  });

  test("one that is large, or of another type", async () => {
    await problemOf(await post("cancel", `{"filter":{}${" ".repeat(9_000)}}`), 413);
    await problemOf(await post("cancel", "{}", { ...AUTHORIZATION, "content-type": "text/plain" }), 415);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
