import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Database } from "../../src/db/connect.ts";
import { DeadlineError } from "../../src/db/deadline.ts";
import { waiter } from "../../src/http/waiter.ts";
import { deleteJob } from "../../src/queue/delete.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { end, registered, take } from "../support/factory.ts";
import { blocked, clear, states } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { create, JSON_TYPE, problemOf, request, SEED_REQUEST } from "./client.ts";
import { keyedApp, newKey } from "./keyed.ts";
import { AUTHORIZATION, SETTINGS_KEY, served, wire } from "./wire.ts";

const db = await testDatabase();

const waiting = waiter(db, () => {});
await waiting.start();

/** One process of the service. */
const node = (on: Database = db) => keyedApp(on, { settingsKeys: [SETTINGS_KEY] }, { waiter: waiting });
const { app, told } = node();

beforeEach(() => clear(db));

interface Made {
  status: number;
  ids: string[];
  replayed: boolean;
}

const BODY = JSON.stringify(SEED_REQUEST);
const OTHER = JSON.stringify({ ...SEED_REQUEST, priority: 9 });

interface Sent {
  path?: string;
  body?: string;
  headers?: Record<string, string>;
  to?: typeof app;
}

/** Creates with this key; the whole answer. */
function send(key: string, { path = "/api/jobs/create", body = BODY, headers = {}, to = app }: Sent = {}) {
  return request(to, "POST", path, {
    body,
    headers: { ...JSON_TYPE, ...AUTHORIZATION, "idempotency-key": key, ...headers },
  });
}

async function made(response: Response): Promise<Made> {
  const body = (await response.json()) as { job_id?: string; job_ids?: string[] };
  return {
    status: response.status,
    ids: body.job_ids ?? [body.job_id!],
    replayed: response.headers.get("idempotency-replayed") === "true",
  };
}

const ROUTES: [path: string, body: string, other: string][] = [
  ["/api/jobs/create", BODY, OTHER],
  ["/api/jobs", BODY, OTHER],
  ["/api/jobs/batch", `[${BODY},${BODY}]`, `[${BODY}]`],
];

describe.each(ROUTES)("POST %s", (path, body, other) => {
  const jobs = path.endsWith("batch") ? 2 : 1;

  test("the first request with a key creates, and a repeat is answered with what it created", async () => {
    const first = await send("k", { path, body });
    const repeat = await send("k", { path, body });
    for (const header of ["location", "etag", "content-type"])
      expect(repeat.headers.get(header)).toBe(first.headers.get(header));
    const { ids } = await made(first.clone() as Response);
    expect(await made(first)).toEqual({ status: 201, ids, replayed: false });
    expect(ids).toHaveLength(jobs);
    for (let n = 0; n < 3; n++)
      expect(await made(await send("k", { path, body }))).toEqual({ status: 201, ids, replayed: true });
    expect(await made(repeat)).toEqual({ status: 201, ids, replayed: true });
    expect(await states(db)).toEqual({ available: jobs });
  });

  test("another body with the key is refused", async () => {
    await send("k", { path, body });
    const problem = await problemOf(await send("k", { path, body: other }), 422);
    expect(problem.type).toEndWith(":key-reused");
    await problemOf(await send("k", { path, body: `${body} ` }), 422);
    expect(await states(db)).toEqual({ available: jobs });
  });

  test("a hundred repeats at once make one request's jobs; the others are told to wait, or what they are", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => send("k", { path, body })));
    const created = new Set<string>();
    for (const answer of answers) {
      if (answer.status === 201) for (const id of (await made(answer)).ids) created.add(id);
      else expect((await problemOf(answer, 409)).type).toEndWith(":in-progress");
    }
    expect(created.size).toBe(jobs);
    expect(await states(db)).toEqual({ available: jobs });
    expect(await made(await send("k", { path, body }))).toMatchObject({ replayed: true });
  });

  test("a faulty request makes no use of its key", async () => {
    await problemOf(await send("k", { path, body: "{" }), 400);
    await problemOf(await send("k", { path, body: body.replace("ai_agent", "a b") }), 422);
    expect(await made(await send("k", { path, body }))).toMatchObject({ status: 201, replayed: false });
  });
});

describe("a key", () => {
  test("is for one route", async () => {
    await send("k");
    await problemOf(await send("k", { path: "/api/jobs" }), 422);
    await problemOf(await send("k", { path: "/api/jobs/batch", body: `[${BODY}]` }), 422);
    expect(await states(db)).toEqual({ available: 1 });
  });

  test("belongs to whoever presents it: two owners do not meet", async () => {
    const [one, two] = [await newKey(db), await newKey(db)];
    const answers = [];
    for (const headers of [one.headers, two.headers, AUTHORIZATION]) {
      answers.push(await made(await send("k", { headers })));
      expect(await made(await send("k", { headers }))).toEqual({ ...answers.at(-1)!, replayed: true });
    }
    expect(new Set(answers.flatMap(({ ids }) => ids)).size).toBe(3);
    expect(answers.some(({ replayed }) => replayed)).toBe(false);
  });

  test("holds for a day", async () => {
    const first = await made(await send("k"));
    const age = (minutes: number) =>
      db.sql`update jobsvc.idempotency_keys set created_at = created_at - ${minutes} * interval '1 minute'`;
    await age(24 * 60 - 1);
    expect(await made(await send("k"))).toEqual({ ...first, replayed: true });
    await age(2);
    const later = await made(await send("k", { body: OTHER }));
    expect(later).toMatchObject({ status: 201, replayed: false });
    expect(later.ids).not.toEqual(first.ids);
    expect(await made(await send("k", { body: OTHER }))).toEqual({ ...later, replayed: true });
  });

  test.each([
    "k",
    "4f9c2a1e-8e03-64151087c727+AES/1=~",
    '"k"',
    '"a b, c; d=\\"e\\" \\\\"',
    `"${"k".repeat(255)}"`,
    "k".repeat(255),
    `"${'\\"'.repeat(255)}"`,
  ])("may be %s", async (key) => {
    const first = await made(await send(key));
    expect(first.status).toBe(201);
    expect(await made(await send(key))).toEqual({ ...first, replayed: true });
  });

  test("is the same with and without quotes", async () => {
    const first = await made(await send("k-1"));
    expect(await made(await send('"k-1"'))).toEqual({ ...first, replayed: true });
  });

  test.each([
    "",
    " ",
    '""',
    '"',
    '"k',
    'k"',
    'a"b',
    "a b",
    "a,b",
    '"a", "b"',
    '"a";b=1',
    "'k'",
    '"\\k"',
    '"\\"',
    '"é"',
    "é",
    '"\t"',
    "k".repeat(256),
    `"${"k".repeat(256)}"`,
    `"${"\\\\".repeat(256)}"`,
    "?1",
  ])("may not be %j", async (key) => {
    const problem = await problemOf(await send(key), 400);
    expect(problem.detail).toContain("Idempotency-Key");
    expect(await states(db)).toEqual({});
  });

  test("that comes twice, or with a NUL, is none", async () => {
    const { url } = await served({ db, inserter: inserter({ db, onWaiting() {} }) });
    const head = ["POST /api/jobs/create HTTP/1.1", "Host: x", "Content-Type: application/json"];
    const post = (...keys: string[]) => wire(url, [...head, `Content-Length: ${BODY.length}`, ...keys], BODY);
    const key = (text: string) => `Idempotency-Key: ${text}`;
    expect(await post(key('"a"'), key('"b"'))).toStartWith("HTTP/1.1 400");
    expect(await post(key('"a\0b"'))).toStartWith("HTTP/1.1 400");
    expect(await post(key("a\0"))).toStartWith("HTTP/1.1 400");
    expect(await states(db)).toEqual({});
    expect(await post(key('"a"'))).toStartWith("HTTP/1.1 201");
  });

  test("is not needed: without one each request creates", async () => {
    for (let n = 0; n < 2; n++) expect((await create(app, BODY, AUTHORIZATION)).status).toBe(201);
    expect(await states(db)).toEqual({ available: 2 });
  });
});

describe("while the first request is being answered", () => {
  test("a repeat is told to come again, and so is another request with the key", async () => {
    const hold = await held();
    const first = send("k");
    await blocked(db);
    for (const body of [BODY, OTHER]) {
      const answer = await send("k", { body });
      expect(answer.headers.get("retry-after")).toBe("1");
      expect((await problemOf(answer, 409)).type).toEndWith(":in-progress");
    }
    await hold.release();
    const { ids } = await made(await first);
    expect(await made(await send("k"))).toEqual({ status: 201, ids, replayed: true });
  });

  test("a repeat at another process waits for it", async () => {
    const hold = await held();
    const first = send("k");
    await blocked(db);
    const repeat = send("k", { to: node().app });
    await hold.release();
    const answers = [await made(await first), await made(await repeat)];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    expect(answers[0]!.ids).toEqual(answers[1]!.ids);
    expect(answers.filter(({ replayed }) => replayed)).toHaveLength(1);
    expect(await states(db)).toEqual({ available: 1 });
  });

  /** Nobody can make a claim until it is released. */
  async function held() {
    const taken = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const done = db.sql.begin(async (sql) => {
      await sql`lock table jobsvc.idempotency_keys in share mode`;
      taken.resolve();
      await released.promise;
    });
    await taken.promise;
    return {
      async release() {
        released.resolve();
        await done;
      },
    };
  }
});

describe("an answer that is lost", () => {
  test("with its process, after the commit: a repeat elsewhere is answered with the job that was made", async () => {
    const dying: Database = {
      ...db,
      async run(statement) {
        await db.run(statement);
        throw new DeadlineError("the process died before it could answer");
      },
    };
    await problemOf(await send("k", { to: keyedApp(dying, { settingsKeys: [SETTINGS_KEY] }).app }), 503);
    const [job] = await db.sql<{ id: string }[]>`select id from jobsvc.jobs`;
    expect(await made(await send("k"))).toEqual({ status: 201, ids: [job!.id], replayed: true });
    expect(await states(db)).toEqual({ available: 1 });
  });

  test("is looked up in what its insert has left of the time, so that nobody waits for two deadlines", async () => {
    const deadlines: (number | undefined)[] = [];
    const watched: Database = {
      ...db,
      run(statement, deadlineMs) {
        deadlines.push(deadlineMs);
        return db.run(statement, deadlineMs);
      },
    };
    await send("k");
    expect(await made(await send("k", { to: node(watched).app }))).toMatchObject({ replayed: true });
    expect(deadlines.at(-1)).toBeWithin(1_000, 6_000);
  });

  test("because the database is away: the same process takes the repeat, and there is one job", async () => {
    const proxy = await proxyTo(db.address);
    const behind = connect({ address: proxy.url, name: "jobsvc test", connections: 2, prepare: true });
    const impatient: Database = { ...behind, run: (statement) => behind.run(statement, 300) };
    const { app: to } = node(impatient);
    proxy.cut();
    for (let n = 0; n < 2; n++) {
      const answer = await send("k", { to });
      expect(answer.headers.get("retry-after")).toBe("2");
      await problemOf(answer, 503);
    }
    proxy.restore();
    const { app: patient } = node(behind);
    const first = await made(await send("k", { to: patient }));
    expect(first.status).toBe(201);
    expect(await made(await send("k", { to: patient }))).toEqual({ ...first, replayed: true });
    expect(await states(db)).toEqual({ available: 1 });
    await behind.close();
  });

  test("is given once more also when the job has ended, and not when it has been deleted", async () => {
    const { ids } = await made(await send("k", { path: "/api/jobs" }));
    const worker = await registered(db);
    await end(db, worker, await take(db, worker, 1), { result: '"done"' });
    const answer = await send("k", { path: "/api/jobs?wait=10" });
    expect(answer.headers.get("location")).toBe(`/api/jobs/${ids[0]}`);
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ job_id: ids[0], state: "completed", result: "done" });
    await deleteJob(db, ids[0]!);
    await problemOf(await send("k", { path: "/api/jobs" }), 404);
  });
});

afterAll(async () => {
  await waiting.stop();
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
});
