import { beforeAll, describe, expect, test } from "bun:test";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { everything } from "../support/facts.ts";
import { JSON_TYPE, pointersOf, problemOf, request, SEED_REQUEST, SOME_ID } from "./client.ts";
import { bearer, keyedApp, newKey } from "./keyed.ts";

/** What would be code if it ever reached SQL, JSON paths or patterns as more than a value. */
const HOSTILE = [
  "' or '1'='1",
  "' or 1=1 --",
  "1) or (1=1",
  "'; drop table jobsvc.jobs; --",
  "'; select pg_sleep(20); --",
  "' || pg_sleep(20) || '",
  "' union select hash from jobsvc.api_keys --",
  "') returning (select version()) --",
  "\\'; delete from jobsvc.ready; --",
  "$$; delete from jobsvc.ready; $$",
  "$1",
  "{}",
  '{"',
  "null::text[]",
  "default' ; update jobsvc.queues set paused_at = now(); --",
  "%' or tags::text like '%",
  "a,b}; --",
  '"; --',
  "-1e309",
  "0x27 || 0x6f72",
  "%27%20or%201=1",
  "𝟏' or 1=1",
  "ʼ or 1=1",
];

const db = await testDatabase();
const { app, told } = keyedApp(db);
let headers: Record<string, string>;

beforeAll(async () => {
  ({ headers } = await newKey(db));
  await insertNew(db, 3, { tags: ["plain"] });
});

/** That a call is answered for what it says, at once, and changes nothing. */
async function harmless(method: string, path: string, body?: unknown): Promise<Response> {
  const startedAt = performance.now();
  const sent = body !== undefined && { body: JSON.stringify(body) };
  const response = await request(app, method, path, { headers: { ...JSON_TYPE, ...headers }, ...sent });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
  expect(response.status).toBeOneOf([200, 404, 422]);
  return response;
}

describe("SQL in", () => {
  const PARAMETERS: Record<string, readonly string[]> = {
    "/api/jobs": [
      "state",
      "resource_type",
      "queue",
      "user_id",
      "tag",
      "created_after",
      "created_before",
      "limit",
      "cursor",
      "sort",
      "order_by",
    ],
    "/api/keys": ["limit", "cursor"],
    "/api/agents": ["resource_type", "limit", "cursor"],
    "/api/audit": ["job_id", "action", "limit", "cursor"],
    [`/api/jobs/${SOME_ID}`]: ["wait"],
  };
  const EVERY = Object.entries(PARAMETERS).flatMap(([path, names]) =>
    names.map((name) => [path, name] as const),
  );

  test.each(EVERY)("%s?%s= is a value", async (path, name) => {
    const before = await everything(db);
    for (const text of HOSTILE) {
      const encoded = name === "cursor" ? [Buffer.from(text).toString("base64url")] : [];
      for (const value of [text, ...encoded]) {
        const response = await harmless("GET", `${path}?${name}=${encodeURIComponent(value)}`);
        // A tag may be anything; nothing else of this is a value that there can be.
        if (name === "tag") expect(await response.json()).toEqual({ jobs: [], next_cursor: null });
        else expect({ value, status: response.status }).toEqual({ value, status: 422 });
      }
    }
    expect(await everything(db)).toEqual(before);
  });

  test("a path is a value", async () => {
    const before = await everything(db);
    for (const text of HOSTILE) {
      const segment = encodeURIComponent(text);
      for (const path of [
        `/api/jobs/${segment}`,
        `/api/jobs/${SOME_ID}${segment}`,
        `/api/jobs/${segment}/why`,
        `/api/agents/${segment}`,
      ])
        expect((await harmless("GET", path)).status).toBe(404);
      for (const path of [
        `/api/jobs/${segment}/cancel`,
        `/api/queues/${segment}/pause`,
        `/api/leases/${segment}/beat`,
      ])
        expect((await harmless("POST", path)).status).toBe(404);
      expect((await harmless("DELETE", `/api/keys/${segment}`)).status).toBe(404);
    }
    expect(await everything(db)).toEqual(before);
  });

  test("the filter of a bulk action is a value", async () => {
    const before = await everything(db);
    for (const text of HOSTILE) {
      for (const name of ["state", "resource_type", "queue", "user_id", "tag", "created_after"]) {
        const response = await harmless("POST", "/api/jobs/cancel", { filter: { [name]: text } });
        if (name === "tag") expect(await response.json()).toEqual({ matched: 0, changed: 0, complete: true });
        else expect(response.status).toBe(422);
      }
    }
    expect(await everything(db)).toEqual(before);
  });

  test("what a worker wishes is a value", async () => {
    const before = await everything(db);
    const worker = { name: "host" };
    for (const text of HOSTILE)
      for (const wish of [{ kinds: [text] }, { queues: [text] }, { worker: { ...worker, id: text } }])
        expect((await harmless("POST", "/api/take", { kinds: ["none"], worker, ...wish })).status).toBe(422);
    expect(await everything(db)).toEqual(before);
    for (const name of HOSTILE) await harmless("POST", "/api/take", { kinds: ["none"], worker: { name } });
    const listed = (await (await harmless("GET", "/api/workers")).json()) as { workers: { name: string }[] };
    expect(listed.workers.map(({ name }) => name).toSorted()).toEqual(HOSTILE.toSorted());
  });

  test("everything that is stored is a value", async () => {
    const jobs = HOSTILE.map((text) => ({
      ...SEED_REQUEST,
      payload: { [text]: text },
      tags: [text],
      metadata: { [text]: text },
    }));
    const sent = { body: JSON.stringify(jobs), headers: { ...JSON_TYPE, ...headers } };
    const created = await request(app, "POST", "/api/jobs/batch", sent);
    expect(created.status).toBe(201);
    for (const text of HOSTILE) {
      const listed = await harmless("GET", `/api/jobs?tag=${encodeURIComponent(text)}`);
      const { jobs } = (await listed.json()) as { jobs: { metadata: object }[] };
      expect(jobs.map(({ metadata }) => metadata)).toEqual([{ [text]: text }]);
    }
  });

  test("an idempotency key and an API key are values", async () => {
    for (const text of HOSTILE) {
      const name = text.replaceAll(/[^\x20-\x7e]/g, "").replaceAll(/["\\]/g, "\\$&");
      const init = { body: JSON.stringify(SEED_REQUEST), method: "POST" };
      const keyed = await request(app, "POST", "/api/jobs/create", {
        ...init,
        headers: { ...JSON_TYPE, ...headers, "idempotency-key": `"${name}"` },
      });
      expect(keyed.status).toBe(201);
      const foreign = { ...JSON_TYPE, ...bearer(name.replaceAll(" ", "/**/")) };
      expect((await request(app, "GET", "/api/jobs", { headers: foreign })).status).toBe(401);
    }
    expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
  });

  test("a page of 10^9 is refused", async () => {
    for (const limit of ["1000000000", "1e12", "-1", "0", "1.5", "NaN", "Infinity", ""])
      expect(pointersOf(await problemOf(await harmless("GET", `/api/jobs?limit=${limit}`), 422))).toEqual([
        "/limit",
      ]);
    expect(pointersOf(await problemOf(await harmless("GET", "/api/jobs?offset=1000000000000"), 422))).toEqual(
      ["/offset"],
    );
  });
});

describe("the names of a prototype", () => {
  const POISON = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":null}';
  const clean = () => expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  const post = (body: string) =>
    request(app, "POST", "/api/jobs/create", { body, headers: { ...JSON_TYPE, ...headers } });

  test("are data in payload, metadata and tags", async () => {
    const { payload: _, ...others } = SEED_REQUEST;
    const rest = JSON.stringify({ ...others, tags: ["__proto__", "constructor"] }).slice(1);
    const created = await post(`{"payload":${POISON},"metadata":${POISON},${rest}`);
    expect(created.status).toBe(201);
    const { job_id } = (await created.json()) as { job_id: string };
    const text = await (await request(app, "GET", `/api/jobs/${job_id}`, { headers })).text();
    expect(text).toContain(`"payload":${POISON}`);
    const [row] = await db.sql`select metadata::text from jobsvc.jobs where id = ${job_id}`;
    expect(JSON.parse(row!.metadata)).toEqual(JSON.parse(POISON));
    const { metadata, tags } = JSON.parse(text);
    expect(Object.keys(metadata).sort()).toEqual(["__proto__", "constructor", "toString"]);
    expect(tags).toEqual(["__proto__", "constructor"]);
    clean();
  });

  test("are names of kinds and queues like any other", async () => {
    const names = ["constructor", "toString", "hasOwnProperty"];
    for (const name of names) {
      const created = await post(JSON.stringify({ ...SEED_REQUEST, resource_type: name, queue: name }));
      expect(created.status).toBe(201);
    }
    for (const path of ["/api/stats", "/api/queues"]) {
      const answer = await (await request(app, "GET", path, { headers })).text();
      for (const name of names) expect(answer).toContain(`"${name}"`);
    }
    clean();
  });

  test("are no fields of a request", async () => {
    const fields = JSON.stringify(SEED_REQUEST).slice(1);
    for (const name of ["__proto__", "constructor", "toString"]) {
      const field = await problemOf(await post(`{"${name}":{"polluted":1},${fields}`), 422);
      expect(pointersOf(field)).toEqual([`/${name}`]);
      const parameter = await request(app, "GET", `/api/jobs?${name}=1`, { headers });
      expect(pointersOf(await problemOf(parameter, 422))).toEqual([`/${name}`]);
    }
    const state = await request(app, "GET", "/api/jobs?state=constructor", { headers });
    expect(pointersOf(await problemOf(state, 422))).toEqual(["/state"]);
    clean();
  });
});
