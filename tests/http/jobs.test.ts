import { beforeEach, describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { JobView } from "../../src/http/job_view.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { end, newJob, passTime, registered, take } from "../support/factory.ts";
import { clear, everything } from "../support/facts.ts";
import { create, problemOf, request, SEED_REQUEST, SOME_ID, testApp } from "./client.ts";

const db = await testDatabase();
const { app, told } = testApp({ db, inserter: inserter({ db, onWaiting() {} }) });

beforeEach(() => clear(db));

async function created(changes: Record<string, unknown> = {}): Promise<string> {
  const response = await create(app, { ...SEED_REQUEST, ...changes });
  expect(response.status).toBe(201);
  return ((await response.json()) as { job_id: string }).job_id;
}

/** A job as it is answered; each answer is as the document says. */
async function answered(response: Response | Promise<Response>) {
  const answer = await response;
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toStartWith("application/json");
  const job = await answer.json();
  expect([...Value.Errors(JobView, job)]).toEqual([]);
  return Value.Cast(JobView, job);
}

const read = (id: string) => answered(request(app, "GET", `/api/jobs/${id}`));
const cancel = (id: string) => request(app, "POST", `/api/jobs/${id}/cancel`);

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("creating and reading", () => {
  test("the seed's job, with everything that is known of it", async () => {
    const response = await create(app, SEED_REQUEST);
    const { job_id } = (await response.json()) as { job_id: string };
    const job = await answered(request(app, "GET", response.headers.get("location")!));
    expect(job).toEqual({
      job_id,
      user_id: SEED_REQUEST.user_id,
      resource_type: "ai_agent",
      resource_id: SEED_REQUEST.resource_id,
      queue: "default",
      priority: 1,
      state: "available",
      status: "created",
      payload: { task: "process_data", data: "example" },
      result: null,
      attempts: [],
      usage: null,
      max_retries: 3,
      scheduled_at: "2024-01-01T12:00:00.000Z",
      run_at: ISO,
      timeout_ms: null,
      tags: [],
      metadata: {},
      created_at: ISO,
      finished_at: null,
    });
    expect(job.run_at).toBe(job.created_at);
  });

  test("what was sent beyond the seed comes back", async () => {
    const extra = {
      queue: "mail",
      timeout_ms: 5_000,
      tags: ["a,b", 'c"d', "{}", "\\", "new\nline", "null", "👩‍🚀"],
      metadata: { a: { b: [1, null, "'; drop table jobs"] }, "": 0.1 },
      max_retries: 0,
    };
    const body = `{"metadata":{"__proto__":{"x":1}},${JSON.stringify({ ...SEED_REQUEST, ...extra, metadata: undefined }).slice(1)}`;
    expect(await read(await created(extra))).toMatchObject(extra);
    const { job_id } = (await (await create(app, body)).json()) as { job_id: string };
    const text = await (await request(app, "GET", `/api/jobs/${job_id}`)).text();
    expect(text).toContain('"metadata":{"__proto__":{"x":1}}');
  });

  test.each([
    "1e400",
    "12345678901234567890",
    '{"a":1,"a":2}',
    '{ "b" : 1 ,\n\t"a" : [ ] }',
    '"\\u0000"',
    '"\\ud800"',
    '{"\\ud83d":"\\udc00\\u0000"}',
    '"é 👩‍🚀 \u2028"',
    "null",
    '""',
  ])("the payload %j comes back character by character", async (payload) => {
    const id = await created({ payload });
    const text = await (await request(app, "GET", `/api/jobs/${id}`)).text();
    expect(text).toContain(`"payload":${payload},"result":null}`);
  });

  test("a job of the future is scheduled; the seed's word for it is created", async () => {
    const id = await created({ scheduled_at: "2190-01-01T00:00:00+01:00" });
    expect(await read(id)).toMatchObject({
      state: "scheduled",
      status: "created",
      scheduled_at: "2189-12-31T23:00:00.000Z",
      run_at: "2189-12-31T23:00:00.000Z",
    });
  });

  test("each request makes a job, and a later job has a greater id", async () => {
    const [first, second] = [await created(), await created()];
    expect(second > first).toBe(true);
  });

  test("many at once share statements: each gets its own job, and who asks for none is told so", async () => {
    let statements = 0;
    const counted: typeof db = { ...db, run: (...args) => db.run(...args).finally(() => statements++) };
    const counting = testApp({ db: counted }).app;
    const jobIds = await Promise.all(Array.from({ length: 30 }, () => created()));
    const [jobs, missing] = await Promise.all([
      Promise.all(jobIds.map((id) => answered(request(counting, "GET", `/api/jobs/${id}`)))),
      request(counting, "GET", `/api/jobs/${SOME_ID}`),
    ]);
    expect(jobs.map((job) => job.job_id)).toEqual(jobIds);
    await problemOf(missing, 404);
    expect(statements).toBeWithin(1, 10);
  });

  test("HEAD reads like GET", async () => {
    const id = await created();
    const head = await request(app, "HEAD", `/api/jobs/${id}`);
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
    expect((await request(app, "HEAD", `/api/jobs/${SOME_ID}`)).status).toBe(404);
  });
});

describe("the way of a job", () => {
  const thrown = {
    name: "TypeError",
    message: "<b>boom</b>",
    stack: "TypeError: boom\n    at run (handler.ts:3:1)",
    reason: "timed_out",
    cause: { name: "Error", message: "inner", cause: { name: "string", message: "innermost" } },
  };

  test("running: the attempt is there, without an outcome", async () => {
    const id = await created();
    const worker = await registered(db, { name: "host/7" });
    await take(db, worker, 1);
    expect(await read(id)).toMatchObject({
      state: "running",
      status: "processing",
      attempts: [
        {
          attempt: 1,
          outcome: null,
          worker_id: worker.id,
          worker_name: "host/7",
          started_at: ISO,
          finished_at: null,
          retry_at: null,
          error: null,
          usage: null,
        },
      ],
    });
  });

  test("failed and to be tried again, then completed: every attempt with its error and stack, and the result", async () => {
    const id = await created();
    const worker = await registered(db);
    await end(db, worker, await take(db, worker, 1), {
      outcome: "failed",
      error: thrown,
      retryAfterMs: 60_000,
      usage: { input_tokens: 100, output_tokens: 7, cost: 0.1, estimated: true },
    });
    expect(await read(id)).toMatchObject({
      state: "retryable",
      status: "created",
      finished_at: null,
      attempts: [{ attempt: 1, outcome: "failed", error: thrown, retry_at: ISO, finished_at: ISO }],
    });

    await passTime(db, 61_000);
    const result = '{"n":12345678901234567890,"n":1e400}';
    const other = await registered(db);
    const usage = { input_tokens: 120, output_tokens: 30, cost: 0.2 };
    await end(db, other, await take(db, other, 1), { outcome: "completed", result, usage });
    expect(await read(id)).toMatchObject({
      state: "completed",
      status: "completed",
      run_at: null,
      finished_at: ISO,
      attempts: [
        { attempt: 1, outcome: "failed", usage: { input_tokens: 100, cost: 0.1, estimated: true } },
        { attempt: 2, outcome: "completed", error: null, retry_at: null, usage },
      ],
      usage: { input_tokens: 220, output_tokens: 37, cost: 0.3, estimated: true },
    });
    expect(await (await request(app, "GET", `/api/jobs/${id}`)).text()).toEndWith(`"result":${result}}`);
  });

  test("failed for good", async () => {
    const id = await created();
    const worker = await registered(db);
    await end(db, worker, await take(db, worker, 1), { outcome: "failed", error: thrown });
    expect(await read(id)).toMatchObject({
      state: "failed",
      status: "failed",
      attempts: [{ error: thrown }],
    });
  });
});

describe("cancelling", () => {
  test("a waiting job: nobody will take it", async () => {
    const id = await created();
    expect(await answered(cancel(id))).toMatchObject({
      job_id: id,
      state: "cancelled",
      status: "cancelled",
      finished_at: ISO,
      attempts: [{ attempt: 1, outcome: "cancelled", started_at: null }],
    });
    expect(await take(db, await registered(db), 1)).toEqual([]);
  });

  test("a job of the future", async () => {
    const id = await created({ scheduled_at: "2190-01-01T00:00:00Z" });
    expect(await answered(cancel(id))).toMatchObject({ state: "cancelled" });
  });

  test("a running job: what its worker still answers is dropped", async () => {
    const id = await created();
    const worker = await registered(db);
    const taken = await take(db, worker, 1);
    expect(await answered(cancel(id))).toMatchObject({ state: "cancelled" });
    expect(await end(db, worker, taken, { outcome: "completed", result: "1" })).toEqual([]);
    expect(await read(id)).toMatchObject({ state: "cancelled", result: null });
  });

  test("a job that has ended: 409 with the reason, and nothing changes", async () => {
    const worker = await registered(db);
    const completed = await created();
    await end(db, worker, await take(db, worker, 1), { outcome: "completed" });
    const cancelled = await created();
    await cancel(cancelled);
    const before = await everything(db);
    for (const [id, state] of [
      [completed, "completed"],
      [cancelled, "cancelled"],
    ] as const) {
      const problem = await problemOf(await cancel(id), 409);
      expect(problem.type).toEndWith(":already-final");
      expect(problem.detail).toBe(`the job is ${state} already`);
    }
    expect(await everything(db)).toEqual(before);
  });

  test("ten at once: one cancels, nine are told", async () => {
    const id = await created();
    const answers = await Promise.all(Array.from({ length: 10 }, () => cancel(id)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
  });

  test("a body is not needed, and not read", async () => {
    const response = await request(app, "POST", `/api/jobs/${await created()}/cancel`, {
      body: "{",
      headers: {},
    });
    expect(response.status).toBe(200);
  });

  test.each([SOME_ID, newJob().id, "x", "create"])("no such job: %s", async (id) => {
    await problemOf(await cancel(id), 404);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
