import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { SCOPES, type Scope } from "../../src/access/scopes.ts";
import { putAgent } from "../../src/agents/put.ts";
import { isGuarded, refuseUnscoped, scopeOf } from "../../src/http/auth.ts";
import { isByToken } from "../../src/http/callback_auth.ts";
import { leaseIdOf } from "../../src/http/lease_id.ts";
import { cancelJob } from "../../src/queue/cancel.ts";
import { AI_AGENT_BODY, newAiAgent, TEST_SECRETS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { insertNew } from "../support/factory.ts";
import { everything } from "../support/facts.ts";
import { heldOf, pull, pullWorker } from "../support/pulling.ts";
import { JSON_TYPE, problemOf, request, SEED_REQUEST } from "./client.ts";
import { bearer, FOREIGNER, type Headers, keyedApp, newKey, OWNER } from "./keyed.ts";

const db = await testDatabase();
/** Time flies: who presents one bad key after the other is told to wait, which is not what this is about. */
let now = 0;
const { app, told } = keyedApp(db, {
  now: () => {
    now += 10_000;
    return now;
  },
});

/** A route, how it is called on a job of the owner's, and what becomes of a key that is bound to somebody else. */
interface Row {
  scope: Scope;
  /** The answer to a key with the scope; 200 unless said otherwise. */
  ok?: number;
  /**
   * `hidden`: 404, the job is not there. `own`: 422, it creates jobs of its own user only. `nothing`: it finds no job.
   * `everybody`: 403 for every bound key, the owner's too. `taken`: 404, as `hidden`, but where nothing is, it makes something.
   */
  foreigner: "hidden" | "own" | "nothing" | "everybody" | "taken";
  /** There is an agent of the owner's under the job's id. */
  agent?: boolean;
  job?: "waiting" | "ended";
  path?: (jobId: string) => string | Promise<string>;
  body?: unknown;
}

const JOB: Pick<Row, "path" | "foreigner"> = { path: (id) => `/api/jobs/${id}`, foreigner: "hidden" };
const below = (action: string): Pick<Row, "path" | "foreigner"> => ({
  path: (id) => `/api/jobs/${id}/${action}`,
  foreigner: "hidden",
});

const AGENT: Pick<Row, "path" | "foreigner" | "agent"> = {
  path: (id) => `/api/agents/${id}`,
  foreigner: "hidden",
  agent: true,
};

/** Of the job, in the hands of a worker over HTTP. */
const LEASE = (action: string): Pick<Row, "path" | "foreigner"> => ({
  async path() {
    const [job] = await pull(db, await pullWorker(db), 1);
    return `/api/leases/${leaseIdOf(heldOf(job!))}/${action}`;
  },
  foreigner: "everybody",
});

/**
 * Every route below /api. One that is added fails the first test until it stands here, with the scope that it needs
 * and what it is to a stranger.
 */
const TABLE: Record<string, Row> = {
  "POST /api/jobs/create": { scope: "jobs:write", ok: 201, foreigner: "own", body: SEED_REQUEST },
  "POST /api/jobs": { scope: "jobs:write", ok: 201, foreigner: "own", body: SEED_REQUEST },
  "POST /api/jobs/batch": { scope: "jobs:write", ok: 201, foreigner: "own", body: [SEED_REQUEST] },
  "GET /api/jobs": { scope: "jobs:read", foreigner: "nothing" },
  "GET /api/jobs/:id": { scope: "jobs:read", ...JOB },
  "GET /api/jobs/:id/events": { scope: "jobs:read", job: "ended", ...below("events") },
  "GET /api/jobs/:id/why": { scope: "jobs:read", ...below("why") },
  "POST /api/jobs/:id/cancel": { scope: "jobs:manage", ...below("cancel") },
  "POST /api/jobs/:id/retry": { scope: "jobs:manage", job: "ended", ...below("retry") },
  "PATCH /api/jobs/:id": { scope: "jobs:manage", body: { priority: 2 }, ...JOB },
  "DELETE /api/jobs/:id": { scope: "jobs:manage", job: "ended", ok: 204, ...JOB },
  "POST /api/jobs/cancel": { scope: "jobs:manage", foreigner: "nothing", body: { filter: {} } },
  "POST /api/jobs/retry": { scope: "jobs:manage", job: "ended", foreigner: "nothing", body: { filter: {} } },
  "POST /api/jobs/delete": { scope: "jobs:manage", job: "ended", foreigner: "nothing", body: { filter: {} } },
  "GET /api/queues": { scope: "jobs:read", foreigner: "everybody" },
  "POST /api/queues/:name/pause": {
    scope: "jobs:manage",
    foreigner: "everybody",
    path: () => "/api/queues/default/pause",
  },
  "POST /api/queues/:name/resume": {
    scope: "jobs:manage",
    foreigner: "everybody",
    path: () => "/api/queues/default/resume",
  },
  "GET /api/workers": { scope: "jobs:read", foreigner: "everybody" },
  "POST /api/take": {
    scope: "jobs:work",
    foreigner: "everybody",
    body: { kinds: ["ai_agent"], worker: { name: "test" } },
  },
  "POST /api/leases/:id/beat": { scope: "jobs:work", ...LEASE("beat") },
  "POST /api/leases/:id/progress": {
    scope: "jobs:work",
    ok: 204,
    body: { percent: 1 },
    ...LEASE("progress"),
  },
  "POST /api/leases/:id/log": { scope: "jobs:work", ok: 204, body: { message: "x" }, ...LEASE("log") },
  "POST /api/leases/:id/output": { scope: "jobs:work", ok: 204, body: { chunk: 1 }, ...LEASE("output") },
  "POST /api/leases/:id/end": { scope: "jobs:work", body: { outcome: "completed" }, ...LEASE("end") },
  "GET /api/stats": { scope: "jobs:read", foreigner: "everybody" },
  "GET /metrics": { scope: "jobs:read", foreigner: "everybody" },
  "PUT /api/agents/:resource_id": {
    scope: "agents:manage",
    body: AI_AGENT_BODY,
    ...AGENT,
    foreigner: "taken",
  },
  "GET /api/agents/:resource_id": { scope: "agents:manage", ...AGENT },
  "GET /api/agents": { scope: "agents:manage", agent: true, foreigner: "nothing" },
  "DELETE /api/agents/:resource_id": { scope: "agents:manage", ok: 204, ...AGENT },
  "GET /api/keys": { scope: "admin", foreigner: "everybody" },
  "POST /api/keys": {
    scope: "admin",
    ok: 201,
    foreigner: "everybody",
    body: { name: "another", scopes: ["admin"] },
  },
  "DELETE /api/keys/:id": {
    scope: "admin",
    foreigner: "everybody",
    path: async () => `/api/keys/${(await newKey(db)).id}`,
  },
  "GET /api/audit": { scope: "admin", foreigner: "everybody" },
};

const rows = Object.entries(TABLE);
/** Those that a token opens, and no key, are tested with the callbacks. */
const guarded = app.routes.filter((route) => isGuarded(route.path) && !isByToken(route));
const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path.replace(/\/$/, "")}`;

const byScope = {} as Record<Scope, Headers>;
const bound = {} as Record<"owner" | "foreigner", Record<Scope, Headers>>;
const badKeys: [why: string, headers: Headers][] = [["no key", {}]];

beforeAll(async () => {
  for (const scope of SCOPES) byScope[scope] = (await newKey(db, { scopes: [scope] })).headers;
  for (const [who, userId] of [
    ["owner", OWNER],
    ["foreigner", FOREIGNER],
  ] as const) {
    bound[who] = {} as Record<Scope, Headers>;
    for (const scope of SCOPES) bound[who][scope] = (await newKey(db, { scopes: [scope], userId })).headers;
  }
  const [unknown, revoked, expired] = [await newKey(db), await newKey(db), await newKey(db)];
  await db.sql`delete from jobsvc.api_keys where id = ${unknown.id}`;
  await db.sql`update jobsvc.api_keys set revoked_at = now() where id = ${revoked.id}`;
  await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${expired.id}`;
  badKeys.push(["unknown", unknown.headers], ["revoked", revoked.headers], ["expired", expired.headers]);
  badKeys.push(["garbage", bearer("garbage")]);
});

beforeEach(async () => {
  await db.sql`truncate jobsvc.jobs, jobsvc.ready, jobsvc.leases, jobsvc.attempts, jobsvc.tallies, jobsvc.queues,
    jobsvc.agents`;
});

/** Calls the route on a new job of the owner's, in the state that the route needs. */
async function call(name: string, { job, agent, path, body }: Row, headers: Headers) {
  const [method, route] = name.split(" ") as [string, string];
  const id = (await insertNew(db, 1, { userId: OWNER }))[0]!.id;
  if (job === "ended") await cancelJob(db, id);
  if (agent) await putAgent(db, TEST_SECRETS, newAiAgent({ resourceId: id, userId: OWNER }), null);
  const address = (await path?.(id)) ?? route;
  const before = await everything(db);
  const sent =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { ...JSON_TYPE, ...headers } };
  const response = await request(app, method, address, { headers, ...sent });
  return { id, response, unchanged: async () => expect(await everything(db)).toEqual(before) };
}

describe("the table of routes", () => {
  test("is that of the service", () => {
    expect(Object.keys(TABLE).sort()).toEqual(guarded.map(nameOf).sort());
  });

  test("names the scope that the route names", () => {
    for (const route of guarded) expect(scopeOf(route)).toBe(TABLE[nameOf(route)]!.scope);
  });

  test("a route without a scope keeps the service from starting", () => {
    const added = { method: "GET", path: "/api/new", hooks: {} } as (typeof guarded)[number];
    expect(() => refuseUnscoped([...guarded, added])).toThrow("GET /api/new");
    expect(() => refuseUnscoped([{ ...added, path: "/livez" }])).not.toThrow();
  });
});

describe.each(rows)("%s", (name, row) => {
  const allowed = (scope: Scope) => scope === row.scope || scope === "admin";

  test("without a valid key: 401, one body for all of them, and nothing happens", async () => {
    const details = new Map<string, string>();
    for (const [why, headers] of badKeys) {
      const { response, unchanged } = await call(name, row, headers);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
      const { instance: _, ...problem } = await problemOf(response, 401);
      details.set(why, JSON.stringify(problem));
      await unchanged();
    }
    expect(new Set([...details].slice(1).map(([, problem]) => problem)).size).toBe(1);
  });

  test.each(SCOPES)("a key with %s", async (scope) => {
    const { response, unchanged } = await call(name, row, byScope[scope]);
    if (allowed(scope)) return void expect(response.status).toBe(row.ok ?? 200);
    const problem = await problemOf(response, 403);
    expect(problem.detail).toBe(`this API key lacks the scope ${row.scope}`);
    expect(problem).toMatchObject({ scope: row.scope });
    await unchanged();
  });

  test("a key that is bound to the job's user", async () => {
    const { response, unchanged } = await call(name, row, bound.owner[row.scope]);
    if (row.foreigner !== "everybody") return void expect(response.status).toBe(row.ok ?? 200);
    expect((await problemOf(response, 403)).detail).toContain("bound");
    await unchanged();
  });

  test("a key that is bound to another user", async () => {
    const { id, response, unchanged } = await call(name, row, bound.foreigner[row.scope]);
    switch (row.foreigner) {
      case "hidden": {
        const { instance: _, ...hidden } = await problemOf(response, 404);
        const missing = { ...row, path: () => row.path!(Bun.randomUUIDv7()) };
        const nowhere = await call(name, missing as Row, byScope[row.scope]);
        const { instance: __, ...absent } = await problemOf(nowhere.response, 404);
        expect(hidden).toEqual(absent);
        return;
      }
      case "taken":
        await problemOf(response, 404);
        return await unchanged();
      case "own": {
        const { errors } = await problemOf(response, 422);
        expect(errors).toEqual([
          {
            pointer: expect.stringMatching(/^(\/0)?\/user_id$/),
            detail: "must be the user that this key is bound to",
          },
        ]);
        return await unchanged();
      }
      case "nothing": {
        expect(response.status).toBe(200);
        const found = JSON.stringify(await response.json());
        expect(found).not.toContain(id);
        expect(found).toMatch(/"(jobs|agents)":\[\]|"matched":0,"changed":0/);
        return await unchanged();
      }
      case "everybody":
        expect((await problemOf(response, 403)).detail).toContain("bound");
        return await unchanged();
    }
  });
});

test("HEAD needs what GET needs", async () => {
  for (const path of ["/api/jobs", "/api/queues", "/api/stats"]) {
    expect((await request(app, "HEAD", path)).status).toBe(401);
    expect((await request(app, "HEAD", path, { headers: byScope["jobs:write"] })).status).toBe(403);
    expect((await request(app, "HEAD", path, { headers: byScope["jobs:read"] })).status).toBe(200);
  }
});

test("a bound key that names another user finds nothing, and one that names its own finds its jobs", async () => {
  await insertNew(db, 3, { userId: OWNER });
  await insertNew(db, 2, { userId: FOREIGNER });
  const count = async (headers: Headers, query: string) => {
    const answer = await request(app, "GET", `/api/jobs${query}`, { headers });
    return ((await answer.json()) as { jobs: unknown[] }).jobs.length;
  };
  const [everybody, foreigner] = [byScope["jobs:read"], bound.foreigner["jobs:read"]];
  expect(await count(everybody, "")).toBe(5);
  expect(await count(foreigner, "")).toBe(2);
  expect(await count(foreigner, `?user_id=${OWNER}`)).toBe(0);
  expect(await count(foreigner, `?user_id=${FOREIGNER.toUpperCase()}`)).toBe(2);
});

test("a key with several scopes has each of them, and no more", async () => {
  const { headers } = await newKey(db, { scopes: ["jobs:write", "jobs:read"] });
  for (const [name, row] of rows) {
    const { response } = await call(name, row, headers);
    expect([name, response.status === 403]).toEqual([name, !["jobs:write", "jobs:read"].includes(row.scope)]);
  }
});

test("nothing of all this was a surprise, and no key was told to the log", async () => {
  expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
  const log = JSON.stringify(told);
  for (const { authorization } of [
    ...Object.values(byScope),
    ...badKeys.slice(1).map(([, headers]) => headers),
  ])
    expect(log).not.toContain(authorization!.split(" ")[1]!);
});
