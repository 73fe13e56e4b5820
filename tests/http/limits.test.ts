import { beforeEach, describe, expect, test } from "bun:test";
import type { AnyElysia } from "elysia";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { create, JSON_TYPE, problemOf, request, SEED_REQUEST, SOME_ID, SOME_LEASE } from "./client.ts";
import { bearer, type Headers, keyedApp, newKey } from "./keyed.ts";

const db = await testDatabase();
const PER_MINUTE = { enqueue: 3, read: 4, work: 5, manage: 2 };

let clock = 0;
let app: AnyElysia;

beforeEach(async () => {
  await clear(db);
  clock = 1_000_000;
  app = keyedApp(db, { callsPerMinute: PER_MINUTE, now: () => clock }).app;
});

const pass = (seconds: number) => {
  clock += seconds * 1_000;
};

const read = (headers: Headers, node = app) => request(node, "GET", "/api/jobs", { headers });

/** Status and fields of an answer, as they are on the wire. */
function told({ status, headers }: Response) {
  return [status, headers.get("ratelimit-policy"), headers.get("ratelimit"), headers.get("retry-after")];
}

describe("the fields of the draft", () => {
  test("count each accepted call down to 0, refuse exactly then, and say when to come again", async () => {
    const { headers } = await newKey(db);
    const policy = '"enqueue";q=3;w=60';
    const call = async () => told(await create(app, SEED_REQUEST, headers));
    expect(await call()).toEqual([201, policy, '"enqueue";r=2;t=20', null]);
    expect(await call()).toEqual([201, policy, '"enqueue";r=1;t=20', null]);
    expect(await call()).toEqual([201, policy, '"enqueue";r=0;t=20', null]);
    expect(await call()).toEqual([429, policy, '"enqueue";r=0;t=20', "20"]);
    pass(19);
    expect(await call()).toEqual([429, policy, '"enqueue";r=0;t=1', "1"]);
    pass(1);
    expect(await call()).toEqual([201, policy, '"enqueue";r=0;t=20', null]);
    expect(await call()).toEqual([429, policy, '"enqueue";r=0;t=20', "20"]);
  });

  test("a refusal is a problem, and nothing was done", async () => {
    const { headers } = await newKey(db);
    for (const _ of [1, 2]) await request(app, "POST", "/api/queues/mail/pause", { headers });
    const refused = await request(app, "POST", "/api/queues/news/pause", { headers });
    const problem = await problemOf(refused, 429);
    expect(problem.type).toEndWith(":too-many-requests");
    expect(problem.detail).toBe("this key may make 2 manage calls in 60 seconds");
    expect(await db.sql`select from jobsvc.queues where name = 'news'`).toHaveLength(0);
  });

  test("stand on refusals of another kind as well: those calls were made", async () => {
    const { headers } = await newKey(db);
    const answers = [
      await create(app, {}, headers),
      await request(app, "GET", `/api/jobs/${SOME_ID}`, { headers }),
      await request(app, "POST", `/api/jobs/${SOME_ID}/cancel`, { headers }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([422, 404, 404]);
    expect(answers.map(({ headers }) => headers.get("ratelimit"))).toEqual([
      '"enqueue";r=2;t=20',
      '"read";r=3;t=15',
      '"manage";r=1;t=30',
    ]);
  });

  test("do not stand where nothing is counted", async () => {
    const { headers } = await newKey(db, { scopes: ["jobs:read"] });
    const answers = [
      await request(app, "GET", "/api/jobs"),
      await request(app, "GET", "/api/jobs", { headers: bearer("wrong") }),
      await create(app, SEED_REQUEST, headers),
      await request(app, "GET", "/api/health", { headers }),
      await request(app, "GET", "/livez"),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 403, 200, 200]);
    for (const { headers } of answers) expect([...headers.keys()].join()).not.toContain("ratelimit");
  });
});

describe("what counts together", () => {
  test("creating, reading and managing each have their own count", async () => {
    const { headers } = await newKey(db);
    const manage = () => request(app, "GET", "/api/keys", { headers });
    for (const _ of [1, 2]) expect((await manage()).status).toBe(200);
    expect((await manage()).status).toBe(429);
    expect((await read(headers)).status).toBe(200);
    expect((await create(app, SEED_REQUEST, headers)).status).toBe(201);
  });

  test("the calls of workers count by themselves, those about leases together with takes", async () => {
    const { headers } = await newKey(db, { scopes: ["jobs:work"] });
    const take = {
      body: JSON.stringify({ kinds: ["x"], worker: { name: "x" } }),
      headers: { ...JSON_TYPE, ...headers },
    };
    const beat = () => request(app, "POST", `/api/leases/${SOME_LEASE}/beat`, { headers });
    expect(told(await request(app, "POST", "/api/take", take))).toEqual([
      200,
      '"work";q=5;w=60',
      '"work";r=4;t=12',
      null,
    ]);
    for (const _ of [1, 2, 3, 4]) expect((await beat()).status).toBe(404);
    const refused = await problemOf(await beat(), 429);
    expect(refused.detail).toBe("this key may make 5 work calls in 60 seconds");
  });

  test("a batch is one call", async () => {
    const { headers } = await newKey(db);
    const body = JSON.stringify([SEED_REQUEST, SEED_REQUEST]);
    const batch = await request(app, "POST", "/api/jobs/batch", {
      body,
      headers: { ...JSON_TYPE, ...headers },
    });
    expect(batch.status).toBe(201);
    expect(batch.headers.get("ratelimit")).toBe('"enqueue";r=2;t=20');
  });

  test("a key that is at its end leaves the others alone", async () => {
    const [greedy, other] = [await newKey(db), await newKey(db)];
    for (let count = 0; count < 10; count++) await read(greedy.headers);
    expect((await read(greedy.headers)).status).toBe(429);
    expect(told(await read(other.headers))).toEqual([200, '"read";q=4;w=60', '"read";r=3;t=15', null]);
  });

  test("keys of the settings count by themselves, too", async () => {
    const KEYS = ["key-one-0123456789", "key-two-9876543210"] as const;
    const node = keyedApp(db, { settingsKeys: KEYS, callsPerMinute: PER_MINUTE, now: () => clock }).app;
    for (const _ of [1, 2, 3, 4]) await read(bearer(KEYS[0]), node);
    expect((await read(bearer(KEYS[0]), node)).status).toBe(429);
    expect((await read(bearer(KEYS[1]), node)).status).toBe(200);
  });
});

describe("without limits", () => {
  test("a limit of 0 is none", async () => {
    const node = keyedApp(db, { callsPerMinute: { ...PER_MINUTE, read: 0 }, now: () => clock }).app;
    const { headers } = await newKey(db);
    for (let count = 0; count < 20; count++)
      expect(told(await read(headers, node))).toEqual([200, null, null, null]);
    expect((await request(node, "GET", "/api/keys", { headers })).headers.get("ratelimit")).not.toBeNull();
  });

  test("a service that knows no key has nobody to count", async () => {
    for (let count = 0; count < 20; count++) expect(told(await read({}))).toEqual([200, null, null, null]);
  });
});
