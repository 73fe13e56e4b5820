import { beforeEach, describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { JobView } from "../../src/http/job_view.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, newJob, registered, take, working } from "../support/factory.ts";
import { clear, everything, ids, stateOf } from "../support/facts.ts";
import { JSON_TYPE, pointersOf, problemOf, request, SOME_ID } from "./client.ts";
import { FOREIGNER, keyedApp, newKey, OWNER } from "./keyed.ts";
import { AUTHORIZATION, SETTINGS_KEY } from "./wire.ts";

const db = await testDatabase();
const { app, told } = keyedApp(db, { settingsKeys: [SETTINGS_KEY] });

beforeEach(() => clear(db));

type Headers = Record<string, string>;

const call = (method: string, id: string, action = "", headers: Headers = AUTHORIZATION) =>
  request(app, method, `/api/jobs/${id}${action}`, { headers });

const retry = (id: string, headers?: Headers) => call("POST", id, "/retry", headers);
const remove = (id: string, headers?: Headers) => call("DELETE", id, "", headers);

const patch = (id: string, body: unknown, headers: Headers = {}) =>
  request(app, "PATCH", `/api/jobs/${id}`, {
    headers: { ...JSON_TYPE, ...AUTHORIZATION, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

async function jobOf(response: Response | Promise<Response>) {
  const answer = await response;
  expect(answer.status).toBe(200);
  const job = await answer.json();
  expect([...Value.Errors(JobView, job)]).toEqual([]);
  return Value.Cast(JobView, job);
}

interface AuditRow {
  action: string;
  job_id: string | null;
  key_id: string | null;
  detail: Record<string, unknown>;
}

async function audit(): Promise<AuditRow[]> {
  return [...(await db.sql<AuditRow[]>`select action, job_id, key_id, detail from jobsvc.audit order by id`)];
}

/** One job of each kind that cannot be what the action wants, with the state that it is in. */
async function inEveryState(): Promise<Record<string, string>> {
  const { worker, jobs } = await working(db, 5);
  const [completed, failed, retryable, cancelled, running] = jobs;
  await end(db, worker, [completed!], {}, []);
  await end(db, worker, [failed!], { outcome: "failed" }, []);
  await end(db, worker, [retryable!], { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
  await cancelJob(db, cancelled!.id);
  const [available] = await insertNew(db, 1);
  const [scheduled] = await insertNew(db, 1, { scheduledAt: new Date(Date.now() + 60_000) });
  return {
    completed: completed!.id,
    failed: failed!.id,
    retryable: retryable!.id,
    cancelled: cancelled!.id,
    running: running!.id,
    available: available!.id,
    scheduled: scheduled!.id,
  };
}

describe("retry", () => {
  test.each(["completed", "failed", "cancelled"] as const)(
    "of a job that is %s: it waits, due now",
    async (outcome) => {
      const { worker, jobs } = await working(db, 1);
      await end(db, worker, jobs, { outcome });
      expect(await jobOf(retry(jobs[0]!.id))).toMatchObject({
        state: "available",
        status: "created",
        finished_at: null,
        attempts: [{ attempt: 1, outcome, retry_at: expect.any(String) }],
      });
      expect(await take(db, worker, 1)).toMatchObject([{ id: jobs[0]!.id, attempt: 2 }]);
    },
  );

  test("of a job that has not ended is refused with its state, and changes nothing", async () => {
    const jobs = await inEveryState();
    const before = await everything(db);
    for (const state of ["scheduled", "available", "running", "retryable"]) {
      const problem = await problemOf(await retry(jobs[state]!), 409);
      expect(problem).toMatchObject({
        detail: `the job is ${state}`,
        type: "urn:problem-type:jobsvc:not-final",
      });
    }
    expect(await everything(db)).toEqual(before);
    expect(await audit()).toEqual([]);
  });

  test("ten times at once is done once", async () => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome: "failed" });
    const answers = await Promise.all(Array.from({ length: 10 }, () => retry(jobs[0]!.id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
    expect(await audit()).toHaveLength(1);
  });
});

describe("patch", () => {
  const at = "2190-01-01T00:00:00+01:00";

  test.each(["scheduled", "available", "retryable"])("changes a job that is %s", async (state) => {
    const { [state]: id } = await inEveryState();
    const later = { run_at: "2189-12-31T23:00:00.000Z", scheduled_at: "2189-12-31T23:00:00.000Z" };
    const there = state === "retryable" ? "retryable" : "scheduled";
    expect(await jobOf(patch(id!, { priority: 1 }))).toMatchObject({ priority: 1, state });
    expect(await jobOf(patch(id!, { scheduled_at: at }))).toMatchObject({
      priority: 1,
      state: there,
      ...later,
    });
    expect(await jobOf(patch(id!, {}))).toMatchObject({ priority: 1, state: there, ...later });
    const now = await jobOf(patch(id!, { scheduled_at: null, priority: 9 }));
    expect(now).toMatchObject({ priority: 9, state: "available", scheduled_at: null });
    expect(Date.parse(now.run_at!)).toBeLessThanOrEqual(Date.now() + 1_000);
    expect(await jobOf(patch(id!, { scheduled_at: "2024-02-29T00:00:00Z" }))).toMatchObject({
      state: "available",
    });
  });

  test("of a job that does not wait is refused with its state, and changes nothing", async () => {
    const jobs = await inEveryState();
    const before = await everything(db);
    for (const state of ["running", "completed", "failed", "cancelled"]) {
      const problem = await problemOf(await patch(jobs[state]!, { priority: 1 }), 409);
      expect(problem).toMatchObject({
        detail: `the job is ${state}`,
        type: "urn:problem-type:jobsvc:not-waiting",
      });
    }
    expect(await everything(db)).toEqual(before);
    expect(await audit()).toEqual([]);
  });

  test.each([
    [{ priority: 0 }, "/priority"],
    [{ priority: 10 }, "/priority"],
    [{ priority: 1.5 }, "/priority"],
    [{ priority: "1" }, "/priority"],
    [{ priority: null }, "/priority"],
    [{ scheduled_at: "soon" }, "/scheduled_at"],
    [{ scheduled_at: "2190-01-01" }, "/scheduled_at"],
    [{ scheduled_at: "2190-01-01T00:00:00" }, "/scheduled_at"],
    [{ scheduled_at: "2190-02-30T00:00:00Z" }, "/scheduled_at"],
    [{ scheduled_at: "300000-01-01T00:00:00Z" }, "/scheduled_at"],
    [{ scheduled_at: 0 }, "/scheduled_at"],
    [{ state: "completed" }, "/state"],
    [{ queue: "mail" }, "/queue"],
    [{ max_retries: 9 }, "/max_retries"],
    [{ payload: {} }, "/payload"],
    [{ user_id: OWNER }, "/user_id"],
    [{ job_id: SOME_ID }, "/job_id"],
    [[], ""],
    ["null", ""],
    ["7", ""],
    ['{"__proto__":{"priority":1}}', "/__proto__"],
  ])("%j is refused", async (body, pointer) => {
    const [job] = await insertNew(db, 1);
    const before = await everything(db);
    expect(pointersOf(await problemOf(await patch(job!.id, body), 422))).toEqual([pointer]);
    expect(await everything(db)).toEqual(before);
  });

  test("needs a small JSON body", async () => {
    const [job] = await insertNew(db, 1);
    await problemOf(await patch(job!.id, "{"), 400);
    await problemOf(await patch(job!.id, ""), 400);
    await problemOf(await patch(job!.id, `{"priority":1}${" ".repeat(5_000)}`), 413);
    await problemOf(await patch(job!.id, "{}", { "content-type": "application/merge-patch+json" }), 415);
    expect(await jobOf(patch(job!.id, '{"priority":2,"priority":3}'))).toMatchObject({ priority: 3 });
  });
});

describe("delete", () => {
  test.each(["completed", "failed"] as const)("of a job that is %s: it is gone", async (outcome) => {
    const { worker, jobs } = await working(db, 1);
    await end(db, worker, jobs, { outcome });
    const response = await remove(jobs[0]!.id);
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    await problemOf(await call("GET", jobs[0]!.id), 404);
    await problemOf(await remove(jobs[0]!.id), 404);
  });

  test("of a job that has not ended is refused with its state, and changes nothing", async () => {
    const jobs = await inEveryState();
    const before = await everything(db);
    for (const state of ["scheduled", "available", "running", "retryable"]) {
      const problem = await problemOf(await remove(jobs[state]!), 409);
      expect(problem).toMatchObject({
        detail: `the job is ${state}`,
        type: "urn:problem-type:jobsvc:not-final",
      });
    }
    expect(await everything(db)).toEqual(before);
    expect(await audit()).toEqual([]);
  });

  test("of a job that was cancelled while it ran waits for its worker to let go", async () => {
    const { worker, jobs } = await working(db, 1);
    await cancelJob(db, jobs[0]!.id);
    const problem = await problemOf(await remove(jobs[0]!.id), 409);
    expect(problem.type).toBe("urn:problem-type:jobsvc:still-held");
    expect(problem.detail).toBe("the job is cancelled, but who ran it has not let go of it yet");
    await end(db, worker, jobs);
    expect((await remove(jobs[0]!.id)).status).toBe(204);
  });
});

describe("every action", () => {
  const ACTIONS: [action: string, act: (id: string, headers: Headers) => Promise<Response>][] = [
    ["job.cancel", (id, headers) => call("POST", id, "/cancel", headers)],
    ["job.retry", retry],
    ["job.change", (id, headers) => patch(id, { priority: 2 }, headers)],
    ["job.delete", remove],
  ];

  /** A job on which the action can be done. */
  async function fit(action: string, userId: string): Promise<string> {
    const [job] = await insertNew(db, 1, { userId });
    const worker = await registered(db);
    if (action === "job.retry" || action === "job.delete") await end(db, worker, await take(db, worker, 1));
    return job!.id;
  }

  test.each(ACTIONS)("%s leaves a row that says who did it", async (action, act) => {
    const [free, bound] = [
      await newKey(db, { scopes: ["jobs:manage"] }),
      await newKey(db, { scopes: ["jobs:manage"], userId: OWNER }),
    ];
    const jobs = [await fit(action, OWNER), await fit(action, OWNER), await fit(action, OWNER)];
    for (const [place, headers] of [free.headers, bound.headers, AUTHORIZATION].entries())
      expect((await act(jobs[place]!, headers)).ok).toBe(true);
    expect(await audit()).toMatchObject([
      { action, job_id: jobs[0]!, key_id: free.id },
      { action, job_id: jobs[1]!, key_id: bound.id },
      { action, job_id: jobs[2]!, key_id: null, detail: { by: expect.stringMatching(/^settings:/) } },
    ]);
  });

  test.each(ACTIONS)("%s finds no job of somebody else, and none that is not there", async (action, act) => {
    const { headers } = await newKey(db, { scopes: ["jobs:manage"], userId: FOREIGNER });
    const id = await fit(action, OWNER);
    const before = await everything(db);
    const { instance: _, ...hidden } = await problemOf(await act(id, headers), 404);
    for (const nowhere of [
      SOME_ID,
      newJob().id,
      "x",
      "1",
      "%00",
      "urn:uuid:123e4567-e89b-12d3-a456-426614174000",
    ]) {
      const { instance: __, ...absent } = await problemOf(await act(nowhere, AUTHORIZATION), 404);
      expect(absent).toEqual(hidden);
    }
    expect(await everything(db)).toEqual(before);
    expect(await audit()).toEqual([]);
  });

  test.each(ACTIONS)("%s takes an id in capitals", async (action, act) => {
    const id = await fit(action, OWNER);
    expect((await act(id.toUpperCase(), AUTHORIZATION)).ok).toBe(true);
    expect(await audit()).toMatchObject([{ job_id: id }]);
  });
});

test("a job's life under an operator's hand", async () => {
  const [id] = ids(await insertNew(db, 1));
  const worker = await registered(db);
  await jobOf(patch(id!, { scheduled_at: "2190-01-01T00:00:00Z" }));
  await jobOf(call("POST", id!, "/cancel"));
  await jobOf(retry(id!));
  await jobOf(patch(id!, { priority: 1 }));
  await end(db, worker, await take(db, worker, 1));
  await jobOf(retry(id!));
  await end(db, worker, await take(db, worker, 1), { outcome: "failed" });
  expect(await stateOf(db, id!)).toBe("failed");
  expect((await remove(id!)).status).toBe(204);
  expect((await audit()).map(({ action }) => action)).toEqual([
    "job.change",
    "job.cancel",
    "job.retry",
    "job.change",
    "job.retry",
    "job.delete",
  ]);
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
