import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { blocks, clear, ids, states } from "../support/facts.ts";
import {
  JSON_TYPE,
  pointersOf,
  problemOf,
  type ReadProblem,
  request,
  SEED_REQUEST,
  testApp,
} from "./client.ts";
import { FOREIGNER, keyedApp, newKey, OWNER } from "./keyed.ts";

const db = await testDatabase();
const { app, told } = testApp({ db, inserter: inserter({ db, onWaiting() {} }) });

beforeEach(() => clear(db));

const NDJSON_TYPE = { "content-type": "application/x-ndjson" };
const KIB = 1024;
const MIB = 1024 * KIB;

const post = (body: string | ReadableStream, headers: Record<string, string> = JSON_TYPE, to = app) =>
  request(to, "POST", "/api/jobs/batch", { body, headers });

async function created(response: Response | Promise<Response>): Promise<string[]> {
  const answer = await response;
  expect(answer.status).toBe(201);
  const body = (await answer.json()) as { job_ids: string[] };
  expect(Object.keys(body)).toEqual(["job_ids"]);
  return body.job_ids;
}

const body = (changes: Record<string, unknown> = {}) => JSON.stringify({ ...SEED_REQUEST, ...changes });
const asJson = (jobs: readonly string[]) => `[${jobs.join(",")}]`;
const asLines = (jobs: readonly string[]) => jobs.map((job) => `${job}\n`).join("");

const FORMS: [form: string, headers: Record<string, string>, of: (jobs: readonly string[]) => string][] = [
  ["a JSON array", JSON_TYPE, asJson],
  ["NDJSON", NDJSON_TYPE, asLines],
];

async function payloads(): Promise<string[]> {
  const rows = await db.sql<{ payload: string }[]>`
    select payload::text as payload from jobsvc.jobs order by priority, id`;
  return rows.map((row) => row.payload);
}

/** Nothing of the batch is there, nor of its claims. */
async function nothing() {
  expect(await states(db)).toEqual({});
  expect(await blocks(db)).toEqual([]);
  expect(await db.sql`select from jobsvc.idempotency_keys`).toHaveLength(0);
}

describe.each(FORMS)("a batch as %s", (_, headers, of) => {
  test("is inserted in its order, each job as it was asked for", async () => {
    const jobs = [
      body({ priority: 1, scheduled_at: null, tags: ["a,b"], metadata: { n: 1 } }),
      body({ priority: 9, resource_type: "client_agent", queue: "mail", max_retries: 0 }),
      body({ priority: 1, scheduled_at: "2190-01-01T00:00:00Z", user_id: FOREIGNER }),
    ];
    const made = await created(post(of(jobs), headers));
    const rows = await db.sql`
      select id, kind, queue, priority, user_id, max_attempts, scheduled_at, to_json(tags) as tags, metadata
      from jobsvc.jobs order by id`;
    expect(made).toEqual(ids(rows as unknown as { id: string }[]));
    expect(rows).toMatchObject([
      { kind: "ai_agent", priority: 1, scheduled_at: null, tags: ["a,b"], metadata: { n: 1 } },
      { kind: "client_agent", queue: "mail", priority: 9, max_attempts: 1 },
      { scheduled_at: new Date("2190-01-01T00:00:00Z"), user_id: FOREIGNER },
    ]);
    expect(await states(db)).toEqual({ available: 2, scheduled: 1 });
  });

  test("keeps every payload character by character", async () => {
    const PAYLOADS = [
      "1e400",
      '{ "b" : 1 ,\t"a" : [ ] , "payload": {"]": "}],["}}',
      "12345678901234567890",
      '{"a":1,"a":2,"__proto__":[1]}',
      "[[],[[]],{}]",
      "null",
    ];
    const { payload: _, ...others } = SEED_REQUEST;
    const jobs = PAYLOADS.flatMap((payload, place) => [
      `{ "payload" :${payload} ,${JSON.stringify({ ...others, priority: place + 1 }).slice(1)}`,
      body({ payload, priority: place + 1 }),
    ]);
    await created(post(of(jobs), headers));
    expect(await payloads()).toEqual(PAYLOADS.flatMap((payload) => [payload, payload]));
  });

  test("of ten thousand is answered with as many ids, and waits in large blocks", async () => {
    const jobs = Array.from({ length: 10_000 }, () => body());
    const made = await created(post(of(jobs), headers));
    expect(new Set(made).size).toBe(10_000);
    expect(made).toEqual(made.toSorted());
    expect(await states(db)).toEqual({ available: 10_000 });
    expect(await blocks(db)).toHaveLength(100);
    await problemOf(await post(of([...jobs, body()]), headers), 422);
    expect(await states(db)).toEqual({ available: 10_000 });
  });

  test("with one faulty job leaves nothing behind; each fault is named by the place of its job", async () => {
    const jobs = [
      body(),
      body({ priority: 0, more: 1 }),
      body(),
      body({ payload: "{" }),
      '"text"',
      body({ user_id: undefined }),
    ];
    const problem = await problemOf(await post(of(jobs), headers), 422);
    expect(pointersOf(problem).sort()).toEqual(["/1/more", "/1/priority", "/3/payload", "/4", "/5/user_id"]);
    expect(problem.detail).toBe("5 fields are not valid");
    await nothing();
  });

  test("that is thoroughly wrong gets a short answer", async () => {
    const jobs = Array.from({ length: 10_000 }, () => body({ priority: 0, queue: "" }));
    const problem = await problemOf(await post(of(jobs), headers), 422);
    expect(problem.errors).toHaveLength(50);
    await nothing();
  });

  test("with a payload that is too large, or too deep, names its job", async () => {
    const large = await problemOf(
      await post(of([body(), body({ payload: `"${"x".repeat(256 * KIB)}"` })]), headers),
      413,
    );
    expect(pointersOf(large)).toEqual(["/1/payload"]);
    const { payload: _, ...others } = SEED_REQUEST;
    const nested = (depth: number) =>
      `{"payload":${"[".repeat(depth)}${"]".repeat(depth)},${JSON.stringify(others).slice(1)}`;
    const deep = await problemOf(await post(of([body(), body(), nested(65)]), headers), 422);
    expect(pointersOf(deep)).toEqual(["/2/payload"]);
    await nothing();
    await created(post(of([nested(64)]), headers));
  });

  test("of another user's jobs is refused to a bound key, each by itself", async () => {
    const keyed = keyedApp(db);
    const key = await newKey(db, { scopes: ["jobs:write"], userId: OWNER });
    const jobs = [OWNER, FOREIGNER, OWNER.toUpperCase(), FOREIGNER].map((user_id) => body({ user_id }));
    const mixed = post(of(jobs), { ...headers, ...key.headers }, keyed.app);
    expect(pointersOf(await problemOf(await mixed, 422))).toEqual(["/1/user_id", "/3/user_id"]);
    await nothing();
    const own = post(of([jobs[0]!, jobs[2]!]), { ...headers, ...key.headers }, keyed.app);
    expect(await created(own)).toHaveLength(2);
  });
});

describe("a batch that is no batch:", () => {
  const errors = (problem: ReadProblem) => ({ status: problem.status, pointers: pointersOf(problem) });

  test.each([
    ["", 400, []],
    ["[", 400, []],
    ["[{]", 400, []],
    ["[1,]", 400, []],
    [`[${body()}`, 400, []],
    [`[${body()}]]`, 400, []],
    [`[${body()}] 1`, 400, []],
    [`${body()}\n${body()}`, 400, []],
    [`\ufeff[${body()}]`, 400, []],
    ["[".repeat(100_000), 400, []],
    ["[]", 422, [""]],
    [" [ ] ", 422, [""]],
    ["{}", 422, [""]],
    [body(), 422, [""]],
    ["null", 422, [""]],
    ["7", 422, [""]],
    ['"[]"', 422, [""]],
    ["[null,[],7]", 422, ["/0", "/1", "/2"]],
    ["[".repeat(100_000) + "]".repeat(100_000), 422, ["/0"]],
    [`{"a":${"[".repeat(70)}${"]".repeat(70)}}`, 422, ["/a"]],
  ] as const)("JSON %#", async (text, status, pointers) => {
    expect(errors(await problemOf(await post(text), status))).toEqual({ status, pointers: [...pointers] });
    await nothing();
  });

  test.each([
    ["", 422, [""]],
    ["\n\r\n \n", 422, [""]],
    [`${body()}\n{`, 400, ["/1"]],
    [`${body()}\n\n\n${body()}\n${body()} ${body()}`, 400, ["/2"]],
    [`[${body()}]`, 422, ["/0"]],
    [asJson([body(), body()]), 422, ["/0"]],
    [`${"[".repeat(100_000)}${"]".repeat(100_000)}`, 422, ["/0"]],
    ["{".repeat(100_000), 400, ["/0"]],
  ] as const)("NDJSON %#", async (text, status, pointers) => {
    const problem = await problemOf(await post(text, NDJSON_TYPE), status);
    expect(errors(problem)).toEqual({ status, pointers: [...pointers] });
    await nothing();
  });

  test("blank lines and line ends of any kind are none", async () => {
    expect(await created(post(`\n\n${body()}\r\n \r\n\n${body()}`, NDJSON_TYPE))).toHaveLength(2);
  });

  test("another type of body, or one that is compressed", async () => {
    for (const type of [
      "text/plain",
      "application/jsonl",
      "multipart/form-data",
      "application/json; charset=latin1",
    ])
      await problemOf(await post(asJson([body()]), { "content-type": type }), 415);
    await problemOf(await post(asJson([body()]), { ...JSON_TYPE, "content-encoding": "gzip" }), 415);
    const type = { "content-type": "Application/X-NDJSON; charset=UTF-8" };
    expect(await created(post(asLines([body()]), type))).toHaveLength(1);
  });
});

describe("the size of a batch", () => {
  const JOBS = 8;
  /** Mostly blanks: what is large is the request, and not what becomes of it. */
  const filled = (bytes: number) => {
    const text = asJson(Array.from({ length: JOBS }, () => body({ payload: `"${"x".repeat(255 * KIB)}"` })));
    return `${text.slice(0, -1) + " ".repeat(bytes - text.length)}]`;
  };
  const streamed = (text: string) => new Response(text).body!;

  test("may be 16 MiB", async () => {
    expect(await created(post(filled(16 * MIB)))).toHaveLength(JOBS);
    expect((await payloads()).map((payload) => payload.length)).toEqual(Array(JOBS).fill(255 * KIB + 2));
  });

  test("and not more, whether the client tells it or not", async () => {
    const text = filled(16 * MIB + 1);
    const length = { ...JSON_TYPE, "content-length": String(text.length) };
    await problemOf(await post(text, length), 413);
    await problemOf(await post(streamed(text)), 413);
    await nothing();
  });
});

test("long batches are inserted in the order in which they came, and short ones between them", async () => {
  // Ids are made when a batch has been read, and grow with time.
  const lengths = [2_000, 500, 3];
  const batches = lengths.map((length) => asJson(Array.from({ length }, () => body())));
  const [long, shorter, short] = await Promise.all(batches.map((batch) => created(post(batch))));
  expect(long!.at(-1)! < shorter![0]!).toBe(true);
  expect(short![0]! < long![0]!).toBe(true);
});

test("other requests are answered while a large batch is read", async () => {
  const { app, inserted } = testApp();
  const jobs = Array.from({ length: 10_000 }, () => body());
  let done = false;
  const batch = post(asJson(jobs), JSON_TYPE, app).finally(() => {
    done = true;
  });
  let answered = 0;
  for (; !done; answered++) {
    expect((await request(app, "GET", "/livez")).status).toBe(200);
    await new Promise(setImmediate);
  }
  expect(await created(batch)).toEqual(ids(inserted));
  expect(answered).toBeGreaterThan(20);
});

afterAll(() => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
