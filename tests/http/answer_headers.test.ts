import { beforeAll, describe, expect, test } from "bun:test";
import { cancelJob } from "../../src/queue/cancel.ts";
import { AI_AGENT_BODY } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { JSON_TYPE, request, SEED_REQUEST, SOME_ID } from "./client.ts";
import { type Headers, keyedApp, newKey } from "./keyed.ts";

/** On every answer, and the affair of HTTP and browsers, not of this API. */
const EVERYWHERE = [
  "cache-control",
  "content-length",
  "content-security-policy",
  "content-type",
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-content-type-options",
];

const db = await testDatabase();
const { app } = keyedApp(db, { callsPerMinute: { enqueue: 20, read: 1_000, work: 1_000, manage: 1_000 } });

type Document = Record<string, Record<string, { responses: Record<string, { headers?: object }> }>>;

let paths: Document;
let admin: Headers;
let reader: Headers;

beforeAll(async () => {
  paths = ((await (await request(app, "GET", "/openapi.json")).json()) as { paths: Document }).paths;
  ({ headers: admin } = await newKey(db));
  ({ headers: reader } = await newKey(db, { scopes: ["jobs:read"] }));
});

/** The headers of an answer which the document has to know, and does. */
async function headersOf(
  method: string,
  path: string,
  at: string,
  { status, ...init }: RequestInit & { status: number },
): Promise<string[]> {
  const response = await request(app, method, at, init);
  await response.bytes();
  expect(response.status).toBe(status);
  const documented = paths[path]![method.toLowerCase()]!.responses[status]!.headers ?? {};
  const known = new Set(Object.keys(documented).map((name) => name.toLowerCase()));
  const carried = [...response.headers.keys()].filter((name) => !EVERYWHERE.includes(name));
  expect(carried.filter((name) => !known.has(name))).toEqual([]);
  return carried;
}

const post = (headers: Headers = {}) => ({
  body: JSON.stringify(SEED_REQUEST),
  headers: { ...JSON_TYPE, ...admin, ...headers },
});

const LIMITS = ["ratelimit", "ratelimit-policy"];

describe("an answer carries no header that the document does not know", () => {
  test("of a new job", async () => {
    const key = { "idempotency-key": "a-key" };
    const create = (status: number, headers: Headers = {}) =>
      headersOf("POST", "/api/jobs/create", "/api/jobs/create", { status, ...post(headers) });
    expect(await create(201, key)).toEqual(["location", ...LIMITS, "x-request-id"]);
    expect(await create(201, key)).toContain("idempotency-replayed");
    expect(await create(401, { authorization: "Bearer x" })).toContain("www-authenticate");
    expect(await create(403, reader)).not.toContain("ratelimit");
    expect(await create(415, { "content-encoding": "gzip" })).toContain("accept-encoding");
    expect(await create(400, { "idempotency-key": '"' })).toEqual([...LIMITS, "x-request-id"]);
  });

  test("of one that is waited for", async () => {
    const init = { status: 201, ...post({ prefer: "wait=1" }) };
    expect(await headersOf("POST", "/api/jobs", "/api/jobs", init)).toEqual(
      expect.arrayContaining(["etag", "location", "preference-applied"]),
    );
  });

  test("of many", async () => {
    const init = {
      ...post({ "idempotency-key": "many" }),
      body: JSON.stringify([SEED_REQUEST]),
      status: 201,
    };
    expect(await headersOf("POST", "/api/jobs/batch", "/api/jobs/batch", init)).not.toContain("location");
    expect(await headersOf("POST", "/api/jobs/batch", "/api/jobs/batch", init)).toContain(
      "idempotency-replayed",
    );
  });

  test("of a job that is read, or has not changed", async () => {
    const [job] = await insertNew(db, 1);
    const at = `/api/jobs/${job!.id}`;
    const read = (status: number, headers: Headers) =>
      headersOf("GET", "/api/jobs/{id}", at, { status, headers: { ...admin, ...headers } });
    expect(await read(200, { prefer: "wait=1" })).toEqual(
      expect.arrayContaining(["etag", "preference-applied"]),
    );
    const tag = (await request(app, "GET", at, { headers: admin })).headers.get("etag")!;
    for (const seen of [tag, `W/${tag}`, `"x", ${tag}`, "*"])
      expect(await read(304, { "if-none-match": seen })).toContain("etag");
    expect(await read(200, { "if-none-match": '"x"' })).toContain("etag");
  });

  test("of everything else", async () => {
    const [job] = await insertNew(db, 1);
    const [ended] = await insertNew(db, 1);
    await cancelJob(db, ended!.id, null);
    const calls: [method: string, path: string, status: number, id?: string, body?: unknown][] = [
      ["GET", "/api/jobs", 200],
      ["GET", "/api/jobs/{id}", 404, SOME_ID],
      ["GET", "/api/jobs/{id}/why", 200, job!.id],
      ["GET", "/api/jobs/{id}/events", 404, SOME_ID],
      ["PATCH", "/api/jobs/{id}", 200, job!.id, { priority: 1 }],
      ["PATCH", "/api/jobs/{id}", 422, job!.id, { priority: 0 }],
      ["DELETE", "/api/jobs/{id}", 409, job!.id],
      ["POST", "/api/jobs/{id}/cancel", 200, job!.id],
      ["POST", "/api/jobs/{id}/cancel", 409, job!.id],
      ["POST", "/api/jobs/{id}/retry", 200, job!.id],
      ["DELETE", "/api/jobs/{id}", 204, ended!.id],
      ["POST", "/api/jobs/cancel", 200, "", { filter: {}, dry_run: true }],
      ["GET", "/api/queues", 200],
      ["GET", "/api/workers", 200],
      ["GET", "/api/stats", 200],
      ["PUT", "/api/agents/{resource_id}", 201, SOME_ID, AI_AGENT_BODY],
      ["PUT", "/api/agents/{resource_id}", 200, SOME_ID, AI_AGENT_BODY],
      ["GET", "/api/agents/{resource_id}", 200, SOME_ID],
      ["DELETE", "/api/agents/{resource_id}", 204, SOME_ID],
      ["GET", "/api/agents", 200],
      ["GET", "/api/keys", 200],
      ["GET", "/api/audit", 200],
      ["POST", "/api/keys", 201, "", { name: "new", scopes: ["jobs:read"] }],
    ];
    for (const [method, path, status, id = "", body] of calls) {
      const sent = body !== undefined && { body: JSON.stringify(body) };
      const headers = { ...JSON_TYPE, ...admin };
      const carried = await headersOf(method, path, path.replace(/\{\w*id\}/, id), {
        status,
        headers,
        ...sent,
      });
      expect(carried).toEqual(expect.arrayContaining([...LIMITS, "x-request-id"]));
    }
  });

  test("of a key that has no calls left", async () => {
    const call = () => request(app, "POST", "/api/jobs/create", post());
    while ((await call()).status !== 429);
    const init = { status: 429, ...post() };
    expect(await headersOf("POST", "/api/jobs/create", "/api/jobs/create", init)).toEqual([
      ...LIMITS,
      "retry-after",
      "x-request-id",
    ]);
  });
});
