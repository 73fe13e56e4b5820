import { beforeEach, describe, expect, test } from "bun:test";
import type { AnyElysia } from "elysia";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { create, JSON_TYPE, pointersOf, problemOf, request, SEED_REQUEST, SOME_ID } from "./client.ts";
import { bearer, type Headers, keyedApp, newKey, OWNER } from "./keyed.ts";

const db = await testDatabase();
const SECRET_CHARACTERS = 43;
const KEY_PATTERN = /^jsk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/;
const { app, told } = keyedApp(db);

beforeEach(() => clear(db));

interface Key {
  key: string;
  id: string;
  state: string;
  [more: string]: unknown;
}

async function post(body: unknown, headers: Headers = {}, node: AnyElysia = app) {
  const init = { body: JSON.stringify(body), headers: { ...JSON_TYPE, ...headers } };
  return await request(node, "POST", "/api/keys", init);
}

async function made(body: object, headers: Headers = {}): Promise<Key> {
  const response = await post({ name: "test", scopes: ["admin"], ...body }, headers);
  expect(response.status).toBe(201);
  return (await response.json()) as Key;
}

async function page(query: string, headers: Headers) {
  const response = await request(app, "GET", `/api/keys${query}`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as { keys: Key[]; next_cursor: string | null };
}

const statusOf = async (headers: Headers, node: AnyElysia = app) =>
  (await request(node, "GET", "/api/jobs", { headers })).status;

describe("the life of a key", () => {
  test("made on an open service, it closes it, opens, is revoked, and opens nothing any more", async () => {
    expect(await statusOf({})).toBe(200);
    const key = await made({ name: "the shop", scopes: ["admin"] });
    expect(key).toEqual({
      key: expect.stringMatching(KEY_PATTERN),
      id: expect.any(String),
      name: "the shop",
      scopes: ["admin"],
      user_id: null,
      queues: null,
      kinds: null,
      state: "live",
      created_at: expect.any(String),
      expires_at: null,
      revoked_at: null,
    });
    expect(await statusOf({})).toBe(401);
    expect(await statusOf(bearer(key.key))).toBe(200);

    const second = await made({}, bearer(key.key));
    const { key: _, ...rest } = key;
    const revoked = await request(app, "DELETE", `/api/keys/${key.id}`, { headers: bearer(second.key) });
    expect(revoked.status).toBe(200);
    const view = (await revoked.json()) as Key;
    expect(view).toEqual({ ...rest, state: "revoked", revoked_at: expect.any(String) } as unknown as Key);
    expect(await statusOf(bearer(key.key))).toBe(401);
    expect(await statusOf(bearer(second.key))).toBe(200);

    const again = await request(app, "DELETE", `/api/keys/${key.id}`, { headers: bearer(second.key) });
    expect(await again.json()).toEqual(view);
  });

  test("the last one, revoked by itself, leaves the service closed", async () => {
    const { key, id } = await made({});
    expect((await request(app, "DELETE", `/api/keys/${id}`, { headers: bearer(key) })).status).toBe(200);
    for (const headers of [{}, bearer(key), bearer("anything")]) expect(await statusOf(headers)).toBe(401);
  });

  test("on a second node, which was asked before, it opens and is revoked at once", async () => {
    const other = keyedApp(db).app;
    expect(await statusOf({}, other)).toBe(200);
    const admin = await made({});
    expect(await statusOf({}, other)).toBe(401);
    for (let count = 0; count < 20; count++) {
      const { key, id } = await made({}, bearer(admin.key));
      expect(await statusOf(bearer(key), other)).toBe(200);
      await request(app, "DELETE", `/api/keys/${id}`, { headers: bearer(admin.key) });
      expect(await statusOf(bearer(key), other)).toBe(401);
    }
  });

  test("it ends when the database says that its time has come", async () => {
    const admin = await made({});
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const { key, id } = await made({ expires_at }, bearer(admin.key));
    expect(await statusOf(bearer(key))).toBe(200);
    await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${id}`;
    expect(await statusOf(bearer(key))).toBe(401);
    const { keys } = await page("", bearer(admin.key));
    expect(keys[0]).toMatchObject({ id, state: "expired", revoked_at: null });
  });

  test("two keys are valid together while one takes over from the other", async () => {
    const [old, next] = [await newKey(db), await newKey(db)];
    const both = () => Promise.all([statusOf(old.headers), statusOf(next.headers)]);
    expect(await both()).toEqual([200, 200]);
    await request(app, "DELETE", `/api/keys/${old.id}`, { headers: next.headers });
    expect(await both()).toEqual([401, 200]);
  });

  test("a limited key tells its limits, and an unlimited one that it has none", async () => {
    const limits = { queues: ["mail"], kinds: ["letter", "card"] };
    expect(await made({ scopes: ["jobs:work", "jobs:write"], ...limits })).toMatchObject(limits);
    const none = { queues: null, kinds: null };
    const { headers } = await newKey(db);
    expect(await made({ scopes: ["jobs:work"], ...none }, headers)).toMatchObject(none);
  });

  test("a bound key works for its user", async () => {
    const admin = await made({});
    const { key, user_id } = await made({ scopes: ["jobs:write"], user_id: OWNER }, bearer(admin.key));
    expect(user_id).toBe(OWNER);
    expect((await create(app, SEED_REQUEST, bearer(key))).status).toBe(201);
    const foreign = { ...SEED_REQUEST, user_id: SOME_ID };
    expect(pointersOf(await problemOf(await create(app, foreign, bearer(key)), 422))).toEqual(["/user_id"]);
  });
});

describe("what cannot be made:", () => {
  const ok = { name: "x", scopes: ["jobs:read"] };
  const past = "2020-01-01T00:00:00Z";
  const BODIES: [why: string, body: unknown, pointers: string[]][] = [
    ["nothing said", {}, ["/name", "/scopes"]],
    ["an empty name", { ...ok, name: "" }, ["/name"]],
    ["a long name", { ...ok, name: "x".repeat(101) }, ["/name"]],
    ["a name that cannot be kept", { ...ok, name: "a\0b" }, ["/name"]],
    ["no scope", { ...ok, scopes: [] }, ["/scopes"]],
    ["a scope twice", { ...ok, scopes: ["admin", "admin"] }, ["/scopes"]],
    ["an unknown scope", { ...ok, scopes: ["jobs:read", "jobs:*"] }, ["/scopes/1"]],
    ["scopes as a text", { ...ok, scopes: "admin" }, ["/scopes"]],
    ["a user that is none", { ...ok, user_id: "ada" }, ["/user_id"]],
    ["a bound admin", { ...ok, scopes: ["admin"], user_id: OWNER }, ["/user_id"]],
    ["a bound worker", { ...ok, scopes: ["jobs:work"], user_id: OWNER }, ["/user_id"]],
    ["limits of who takes nothing", { ...ok, queues: ["mail"], kinds: ["letter"] }, ["/kinds", "/queues"]],
    ["limits of an admin", { ...ok, scopes: ["admin", "jobs:work"], kinds: ["letter"] }, ["/kinds"]],
    ["no queue at all", { ...ok, scopes: ["jobs:work"], queues: [] }, ["/queues"]],
    ["a kind that is no name", { ...ok, scopes: ["jobs:work"], kinds: ["a b"] }, ["/kinds"]],
    ["an end in the past", { ...ok, expires_at: past }, ["/expires_at"]],
    ["an end that is no time", { ...ok, expires_at: "tomorrow" }, ["/expires_at"]],
    ["a day that does not exist", { ...ok, expires_at: "2030-02-30T00:00:00Z" }, ["/expires_at"]],
    ["a key of one's own", { ...ok, key: "jsk_mine" }, ["/key"]],
    ["a hash of one's own", { ...ok, hash: "00", id: SOME_ID }, ["/hash", "/id"]],
    ["a list", [ok], [""]],
  ];

  test.each(BODIES)("%s", async (_, body, pointers) => {
    expect(pointersOf(await problemOf(await post(body), 422)).sort()).toEqual(pointers);
    expect((await page("", {})).keys).toEqual([]);
  });

  test("a body that is no JSON, or too large", async () => {
    const send = (body: string, type = JSON_TYPE) =>
      request(app, "POST", "/api/keys", { body, headers: type });
    await problemOf(await send("{"), 400);
    await problemOf(await send(JSON.stringify({ ...ok, name: "x".repeat(10_000) })), 413);
    await problemOf(await send(JSON.stringify(ok), { "content-type": "text/plain" }), 415);
  });
});

describe("the list", () => {
  test("page by page, without what opens", async () => {
    const keys: Key[] = [];
    const { headers, ...admin } = await newKey(db);
    for (let count = 0; count < 4; count++) keys.unshift(await made({ name: `key ${count}` }, headers));
    const first = await page("?limit=3", headers);
    const second = await page(`?limit=3&cursor=${first.next_cursor}`, headers);
    expect([...first.keys, ...second.keys].map(({ id }) => id)).toEqual([
      ...keys.map(({ id }) => id),
      admin.id,
    ]);
    expect(second.next_cursor).toBeNull();
    const text = JSON.stringify([first, second]);
    for (const { key } of keys) expect(text).not.toContain(key.slice(-SECRET_CHARACTERS));
    expect(text).not.toContain("hash");
  });

  test.each(["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=", "limit=1&limit=2", "state=live"])(
    "cannot be asked for by ?%s",
    async (query) => {
      await problemOf(await request(app, "GET", `/api/keys?${query}`), 422);
    },
  );
});

test("there is no such key to revoke", async () => {
  for (const id of [SOME_ID, "x", `${SOME_ID}0`])
    await problemOf(await request(app, "DELETE", `/api/keys/${id}`), 404);
});

describe("secrets", () => {
  test("a key stands in the answer that made it, and nowhere else", async () => {
    const admin = await newKey(db);
    const { key, id } = await made({ scopes: ["jobs:read"] }, admin.headers);
    const answers = [
      await request(app, "GET", "/api/keys", { headers: admin.headers }),
      await request(app, "GET", "/api/audit", { headers: admin.headers }),
      await request(app, "GET", `/api/jobs?key=${key}`, { headers: bearer(key) }),
      await request(app, "POST", "/api/keys", { headers: { ...bearer(key), ...JSON_TYPE }, body: key }),
      await request(app, "DELETE", `/api/keys/${id}`, { headers: admin.headers }),
      await request(app, "GET", "/api/jobs", { headers: bearer(key) }),
    ];
    const secret = key.slice(-SECRET_CHARACTERS);
    for (const answer of answers) expect(await answer.text()).not.toContain(secret);
    expect(JSON.stringify(told)).not.toContain(secret);
    const [dump] = await db.sql<{ all: string }[]>`
      select (select json_agg(k) from jobsvc.api_keys k)::text || (select json_agg(a) from jobsvc.audit a)::text as all`;
    expect(dump!.all).not.toContain(secret);
  });

  test("a key in the address opens nothing", async () => {
    const { text } = await newKey(db);
    for (const name of ["key", "api_key", "access_token", "token", "authorization"])
      await problemOf(await request(app, "GET", `/api/jobs?${name}=${text}`), 401);
    expect(JSON.stringify(told)).not.toContain(text);
  });
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
});
