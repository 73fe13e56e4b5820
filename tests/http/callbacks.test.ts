import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { callbackTokens } from "../../src/access/callback_tokens.ts";
import { SCOPES } from "../../src/access/scopes.ts";
import { refuseUnscoped } from "../../src/http/auth.ts";
import { isByToken } from "../../src/http/callback_auth.ts";
import { eventStreams } from "../../src/http/event_streams.ts";
import type { TakenJob } from "../../src/job/job.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { ENDED_CHANNEL } from "../../src/queue/channels.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { rescueJobs } from "../../src/queue/rescue.ts";
import { secretsKey, TEST_TOKENS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { end, expire, passTime, take, working } from "../support/factory.ts";
import { clear, endings, everything, leases, outcomes, stateOf } from "../support/facts.ts";
import { linesOf } from "../support/lines.ts";
import { until } from "../support/until.ts";
import { JSON_TYPE, problemOf, request } from "./client.ts";
import { bearer, keyedApp, newKey } from "./keyed.ts";

const db = await testDatabase();

/** Every call that can be made, with a body that is right. */
const CALLS: [action: string, body: unknown][] = [
  ["progress", { percent: 50 }],
  ["log", { message: "a line" }],
  ["output", { chunk: "a" }],
  ["end", { outcome: "completed" }],
];

let now = 0;
const woken: string[] = [];
let seen = 0;
const streams = { ...eventStreams({ db, emit: () => {} }), wake: () => void seen++ };
/** Time flies: who presents one bad token after the other is told to wait, which is not what this is about. */
const { app, told } = keyedApp(
  db,
  {
    now: () => {
      now += 10_000;
      return now;
    },
  },
  { streams, onWork: (queues) => woken.push(...queues) },
);
const heard: string[] = [];

beforeAll(() =>
  db.listen(
    ENDED_CHANNEL,
    (payload) => void heard.push(payload),
    () => undefined,
  ),
);
beforeEach(async () => {
  await clear(db);
  heard.length = 0;
  woken.length = 0;
  told.length = 0;
});

const tokenOf = ({ leaseId, id: jobId, attempt }: TakenJob) => TEST_TOKENS.make({ leaseId, jobId, attempt });

function call(token: string | undefined, action: string, body: unknown) {
  return request(app, "POST", `/api/callbacks/${action}`, {
    headers: { ...JSON_TYPE, ...(token !== undefined && bearer(token)) },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** A job in the hands of a process, and what its client can call. */
async function held(changes: Parameters<typeof working>[2] = {}, count = 1) {
  const { worker, jobs } = await working(db, count, changes);
  const job = jobs[0]!;
  const token = tokenOf(job);
  return { worker, jobs, job, token, call: (action: string, body: unknown) => call(token, action, body) };
}

describe("the routes", () => {
  const routes = app.routes.filter(isByToken);

  test("are these", () => {
    expect(routes.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      CALLS.map(([action]) => `POST /api/callbacks/${action}`).sort(),
    );
  });

  test("must name their guard, or the service does not start", () => {
    const added = { method: "POST", path: "/api/callbacks/new", hooks: {} } as (typeof routes)[number];
    expect(() => refuseUnscoped([...routes, added])).toThrow("POST /api/callbacks/new");
  });
});

describe.each(CALLS)("%s", (action, body) => {
  test("is opened by the token of the attempt", async () => {
    const { call } = await held();
    expect((await call(action, body)).status).toBe(action === "end" ? 200 : 204);
  });

  test("is opened by nothing else: 401, one body for all, and nothing happens", async () => {
    const { job, token } = await held();
    const before = await everything(db);
    const { leaseId, id: jobId, attempt } = job;
    const foreign = callbackTokens([secretsKey("x")]).make({ leaseId, jobId, attempt });
    const keys = await Promise.all(SCOPES.map(async (scope) => (await newKey(db, { scopes: [scope] })).text));
    const details = new Set<string>();
    for (const wrong of [foreign, `${token.slice(0, -2)}AA`, "garbage", ...keys]) {
      const response = await call(wrong, action, body);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer .*invalid_token/);
      details.add((await problemOf(response, 401)).detail);
    }
    expect([...details]).toEqual(["this callback token is not valid"]);
    const { detail } = await problemOf(await call(undefined, action, body), 401);
    expect(detail).toBe("send the callback token as Authorization: Bearer <token>");
    expect(await everything(db)).toEqual(before);
  });

  test.each<[reason: string, become: (job: Awaited<ReturnType<typeof held>>) => Promise<unknown>]>([
    ["cancelled", ({ job }) => cancelJob(db, job.id)],
    ["finished", ({ worker, jobs }) => end(db, worker, jobs)],
    ["finished", ({ call }) => call("end", { outcome: "failed", error: { message: "no" } })],
    [
      "timed_out",
      ({ worker, jobs }) =>
        end(db, worker, jobs, {
          outcome: "failed",
          error: { name: "TimeoutError", message: "", reason: "timed_out" },
        }),
    ],
    [
      "lost",
      async ({ worker }) => {
        await expire(db, worker);
        await rescueJobs(db, { maxLosses: 3, limit: 10 });
      },
    ],
  ])("once the attempt is over answers why: %s", async (reason, become) => {
    const attempt = await held();
    await become(attempt);
    const lines = await linesOf(db, attempt.job.id);
    const before = await endings(db, attempt.job.id);
    const problem = await problemOf(await attempt.call(action, body), 409);
    expect(problem).toMatchObject({ type: "urn:problem-type:jobsvc:stale", reason });
    expect(await endings(db, attempt.job.id)).toEqual(before);
    expect(await linesOf(db, attempt.job.id)).toEqual(lines);
  });

  test("of a job that was deleted finds nothing", async () => {
    const { worker, jobs, job, call } = await held();
    await end(db, worker, jobs);
    expect(await deleteJob(db, job.id)).toBe("deleted");
    await problemOf(await call(action, body), 404);
  });

  test("takes nothing but JSON that fits", async () => {
    const { job, call } = await held();
    await problemOf(await call(action, "{"), 400);
    await problemOf(await call(action, { more: 1 }), 422);
    expect(await linesOf(db, job.id)).toEqual([]);
    expect(await outcomes(db, job.id)).toEqual([]);
  });

  test("takes no other method", async () => {
    const { token } = await held();
    const response = await request(app, "GET", `/api/callbacks/${action}`, { headers: bearer(token) });
    expect((await problemOf(response, 405)).detail).toContain("POST");
  });
});

describe("what a client tells", () => {
  test("is kept in its order and to the byte, and those who watch are woken", async () => {
    const { job, call } = await held();
    const before = seen;
    await call("progress", { percent: 40, message: "page 4" });
    await call("log", '{"message": "slow", "fields": {"n": 1e400}}');
    await call("output", '{"chunk": 12345678901234567890}');
    expect(seen).toBe(before + 3);
    expect((await linesOf(db, job.id)).map(({ seq, type, data }) => [seq, type, data])).toEqual([
      [1, "progress", '{"percent":40,"message":"page 4"}'],
      [2, "log", '{"message":"slow","fields":{"n": 1e400}}'],
      [3, "output", '{"chunk":12345678901234567890}'],
    ]);
  });
});

describe("what a client says of the end", () => {
  test("ends the attempt, and tells whoever holds it", async () => {
    const { worker, job, call } = await held();
    const response = await call("end", '{"outcome": "completed", "result": {"n": 12345678901234567890}}');
    expect(await response.json()).toEqual({
      job_id: job.id,
      attempt: 1,
      outcome: "completed",
      retry_in_ms: null,
    });
    const [ending] = await endings(db, job.id);
    expect(ending).toMatchObject({
      outcome: "completed",
      workerId: worker.id,
      result: '{"n": 12345678901234567890}',
    });
    await until("the notification", () => heard.includes(`${job.id} 1 completed`));
    // Whose process counts it, or it would count twice.
    expect(told.filter(({ name }) => name.startsWith("job."))).toEqual([]);
  });

  test("leaves the lease to the process that holds it, for the sake of its other jobs and of its own peace", async () => {
    for (const count of [1, 3]) {
      const { worker, jobs, job, call } = await held({}, count);
      await call("end", { outcome: "completed" });
      expect(await leases(db)).toMatchObject([{ id: job.leaseId }]);
      await problemOf(await call("log", { message: "late" }), 409);
      await problemOf(await call("end", { outcome: "completed" }), 409);
      expect(await leases(db)).toMatchObject([{ id: job.leaseId, jobIds: jobs.map(({ id }) => id) }]);
      expect(await end(db, worker, jobs.slice(1), {}, [job.leaseId])).toHaveLength(count - 1);
      await clear(db);
    }
  });

  test("as a failure is tried again by the curve, or when it wishes", async () => {
    const { worker, job, call } = await held();
    const failed = { outcome: "failed", error: { name: "Nope", message: "not today", stack: "at home" } };
    const { retry_in_ms } = (await (await call("end", failed)).json()) as { retry_in_ms: number };
    expect(retry_in_ms).toBeWithin(900, 1_101);
    expect((await endings(db, job.id))[0]).toMatchObject({
      outcome: "failed",
      error: { name: "Nope", message: "not today", stack: "at home" },
    });
    await passTime(db, 2_000);
    const [second] = await take(db, worker, 1);
    const again = await request(app, "POST", "/api/callbacks/end", {
      headers: { ...JSON_TYPE, ...bearer(tokenOf(second!)) },
      body: JSON.stringify({ ...failed, retry_after_ms: 60_000 }),
    });
    expect(await again.json()).toMatchObject({ attempt: 2, retry_in_ms: 60_000 });
    expect(await stateOf(db, job.id)).toBe("retryable");
  });

  test("as a failure for good is not tried again", async () => {
    const { job, call } = await held();
    await call("end", { outcome: "failed", error: { message: "never" }, retry: false });
    expect(await stateOf(db, job.id)).toBe("failed");
  });

  test("as a snooze brings the job back", async () => {
    const { job, call } = await held({ maxAttempts: 1 });
    expect(await (await call("end", { outcome: "snoozed", delay_ms: 0 })).json()).toMatchObject({
      retry_in_ms: 0,
    });
    expect(await stateOf(db, job.id)).toBe("available");
    expect(woken).toEqual(["default"]);
  });

  test("cannot be that it was released", async () => {
    const { call } = await held();
    const { errors } = await problemOf(await call("end", { outcome: "released" }), 422);
    expect(errors).toEqual([{ pointer: "/outcome", detail: "must be one of completed, failed, snoozed" }]);
  });

  test("counts once, however often and from wherever it is said", async () => {
    const { job, token } = await held();
    const node = keyedApp(db).app;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        request(at % 2 === 0 ? app : node, "POST", "/api/callbacks/end", {
          headers: { ...JSON_TYPE, ...bearer(token) },
          body: JSON.stringify({ outcome: "completed", result: at }),
        }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
    expect(await outcomes(db, job.id)).toEqual(["completed"]);
  });
});

test("who presents one bad token after the other is told to wait, and good ones are heard all the same", async () => {
  const node = keyedApp(db, { now: () => 0 }).app;
  const attempt = (token: string) =>
    request(node, "POST", "/api/callbacks/log", {
      headers: { ...JSON_TYPE, ...bearer(token) },
      body: JSON.stringify({ message: "x" }),
    });
  const statuses: number[] = [];
  for (let at = 0; at < 60; at++) statuses.push((await attempt("jscb_guess")).status);
  expect(statuses[0]).toBe(401);
  expect(statuses.at(-1)).toBe(429);
  const { token } = await held();
  expect((await attempt(token)).status).toBe(204);
});
