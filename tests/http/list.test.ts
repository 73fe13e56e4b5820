import { beforeEach, describe, expect, test } from "bun:test";
import { JOB_STATES } from "../../src/job/states.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, working } from "../support/factory.ts";
import { clear, ids } from "../support/facts.ts";
import { pointersOf, problemOf, request } from "./client.ts";
import { FOREIGNER, keyedApp, newKey, OWNER } from "./keyed.ts";
import { served, wire } from "./wire.ts";

const db = await testDatabase();
const { app, told } = keyedApp(db);

beforeEach(() => clear(db));

interface Page {
  jobs: { job_id: string; [member: string]: unknown }[];
  next_cursor: string | null;
}

const get = (query: string, headers: Record<string, string> = {}) =>
  request(app, "GET", `/api/jobs${query}`, { headers });

async function list(query = "", headers: Record<string, string> = {}): Promise<Page> {
  const response = await get(query, headers);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toStartWith("application/json");
  return (await response.json()) as Page;
}

const idsOf = ({ jobs }: Page) => jobs.map((job) => job.job_id);

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

describe("a list of jobs", () => {
  test("is empty at first", async () => {
    expect(await list()).toEqual({ jobs: [], next_cursor: null });
  });

  test("shows what there is to know, but for what may be large", async () => {
    const [job] = await insertNew(db, 1, {
      kind: "client_agent",
      queue: "mail",
      priority: 2,
      scheduledAt: new Date("2190-01-01T00:00:00Z"),
      tags: ["a", 'b"c'],
      metadata: { a: { b: [1] } },
      maxAttempts: 3,
    });
    expect((await list()).jobs).toEqual([
      {
        job_id: job!.id,
        user_id: job!.userId,
        resource_type: "client_agent",
        resource_id: job!.resourceId,
        queue: "mail",
        priority: 2,
        state: "scheduled",
        status: "created",
        ended_attempts: 0,
        max_retries: 2,
        scheduled_at: "2190-01-01T00:00:00.000Z",
        run_at: "2190-01-01T00:00:00.000Z",
        tags: ["a", 'b"c'],
        metadata: { a: { b: [1] } },
        created_at: ISO,
        finished_at: null,
      },
    ]);
  });

  test("has the states and statuses of the jobs themselves", async () => {
    const { worker, jobs } = await working(db, 4);
    await end(db, worker, [jobs[0]!], {}, []);
    await end(db, worker, [jobs[1]!], { outcome: "failed" }, []);
    await end(db, worker, [jobs[2]!], { outcome: "failed", failures: 1, retryAfterMs: 60_000 }, []);
    const shown = (await list()).jobs.map(
      ({ job_id, state, status, ended_attempts, run_at, finished_at }) => ({
        job_id,
        told: [state, status, ended_attempts, run_at !== null, finished_at !== null],
      }),
    );
    expect(shown).toEqual(
      [
        { job_id: jobs[3]!.id, told: ["running", "processing", 0, true, false] },
        { job_id: jobs[2]!.id, told: ["retryable", "created", 1, true, false] },
        { job_id: jobs[1]!.id, told: ["failed", "failed", 1, false, true] },
        { job_id: jobs[0]!.id, told: ["completed", "completed", 1, false, true] },
      ].sort((a, b) => (a.job_id < b.job_id ? 1 : -1)),
    );
  });

  test("has 50 on a page unless another limit is given, and is read to its end by cursors", async () => {
    const jobs = ids(await insertNew(db, 120)).toReversed();
    const first = await list();
    expect(idsOf(first)).toEqual(jobs.slice(0, 50));
    const second = await list(`?cursor=${first.next_cursor}`);
    expect(idsOf(second)).toEqual(jobs.slice(50, 100));
    const last = await list(`?cursor=${second.next_cursor}`);
    expect(last).toMatchObject({ next_cursor: null });
    expect(idsOf(last)).toEqual(jobs.slice(100));
    expect(idsOf(await list("?limit=1"))).toEqual(jobs.slice(0, 1));
    expect(await list("?limit=200")).toMatchObject({ next_cursor: null, jobs: { length: 120 } });
  });

  test("takes every filter, also together", async () => {
    const [wanted] = await insertNew(db, 1, {
      kind: "client_agent",
      queue: "mail",
      userId: OWNER,
      tags: ["a b&c=d/é"],
    });
    await insertNew(db, 1, { queue: "mail", userId: FOREIGNER, tags: ["other"] });
    await registered(db);
    const filters = [
      "resource_type=client_agent",
      `user_id=${OWNER.toUpperCase()}`,
      `tag=${encodeURIComponent("a b&c=d/é")}`,
    ];
    for (const filter of [...filters, filters.join("&"), `${filters.join("&")}&queue=mail&state=available`])
      expect(idsOf(await list(`?${filter}`))).toEqual([wanted!.id]);
    expect((await list("?queue=mail")).jobs).toHaveLength(2);
    expect((await list(`?${filters.join("&")}&state=running`)).jobs).toEqual([]);
    for (const state of JOB_STATES)
      expect((await list(`?state=${state}`)).jobs).toHaveLength(state === "available" ? 2 : 0);
  });

  test("takes a range of time, from and including, to and not including", async () => {
    const [job] = await insertNew(db, 1);
    const at = (await list()).jobs[0]!.created_at as string;
    const later = new Date(Date.parse(at) + 1).toISOString();
    for (const [query, found] of [
      [`created_after=${at}`, true],
      [`created_after=${later}`, false],
      [`created_before=${at}`, false],
      [`created_before=${later}`, true],
      [`created_after=${at}&created_before=${later}`, true],
      [`created_after=${later}&created_before=${at}`, false],
      ["created_after=1970-01-01T00:00:00%2B23:59", true],
      ["created_before=2199-12-31T23:59:59-23:59", true],
    ] as const)
      expect({ query, found: idsOf(await list(`?${query}`)) }).toEqual({
        query,
        found: found ? [job!.id] : [],
      });
  });

  test("shows a bound key its own user's jobs only, whatever it asks for", async () => {
    const own = ids(await insertNew(db, 3, { userId: OWNER })).toReversed();
    await insertNew(db, 3, { userId: FOREIGNER });
    const { headers } = await newKey(db, { scopes: ["jobs:read"], userId: OWNER });
    expect(idsOf(await list("", headers))).toEqual(own);
    expect(idsOf(await list(`?user_id=${OWNER.toUpperCase()}`, headers))).toEqual(own);
    expect(await list(`?user_id=${FOREIGNER}`, headers)).toEqual({ jobs: [], next_cursor: null });
    const { next_cursor } = await list("?limit=1", headers);
    expect(idsOf(await list(`?limit=200&cursor=${next_cursor}`, headers))).toEqual(own.slice(1));
  });
});

describe("a query that is not understood is refused:", () => {
  const cursor = Buffer.from("0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a7").toString("base64url");

  test.each([
    ["limit=0", "/limit"],
    ["limit=201", "/limit"],
    ["limit=-1", "/limit"],
    ["limit=1000000000", "/limit"],
    ["limit=99999999999999999999", "/limit"],
    ["limit=1.5", "/limit"],
    ["limit=1e1", "/limit"],
    ["limit=0x10", "/limit"],
    ["limit=%2B5", "/limit"],
    ["limit=%205", "/limit"],
    ["limit=true", "/limit"],
    ["limit=", "/limit"],
    ["limit", "/limit"],
    ["limit=1&limit=1", "/limit"],
    ["limit=1&limit=2&limit=3", "/limit"],
    ["state=", "/state"],
    ["state=done", "/state"],
    ["state=Completed", "/state"],
    ["state=completed,failed", "/state"],
    ["state=constructor", "/state"],
    ["resource_type=", "/resource_type"],
    ["resource_type=a%20b", "/resource_type"],
    [`queue=${"q".repeat(65)}`, "/queue"],
    ["queue=%00", "/queue"],
    ["user_id=me", "/user_id"],
    ["user_id=123e4567e89b12d3a456426614174000", "/user_id"],
    ["tag=", "/tag"],
    ["tag=a%00b", "/tag"],
    [`tag=${"t".repeat(65)}`, "/tag"],
    ["tag=a&tag=b", "/tag"],
    ["created_after=yesterday", "/created_after"],
    ["created_after=2026-01-01", "/created_after"],
    ["created_after=2026-01-01T00:00:00", "/created_after"],
    ["created_after=2026-01-01T00:00:00+01:00", "/created_after"],
    ["created_after=2026-02-30T00:00:00Z", "/created_after"],
    ["created_before=300000-01-01T00:00:00Z", "/created_before"],
    ["created_before=0001-01-01T00:00:00Z", "/created_before"],
    ["cursor=", "/cursor"],
    ["cursor=!", "/cursor"],
    ["cursor=abc", "/cursor"],
    [`cursor=${cursor}`, "/cursor"],
    ["cursor=0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77", "/cursor"],
    [`cursor=${"a".repeat(65)}`, "/cursor"],
    ["cursor=%00", "/cursor"],
    ["offset=10", "/offset"],
    ["kind=ai_agent", "/kind"],
    ["sort=-created_at", "/sort"],
    ["STATE=failed", "/STATE"],
    ["state[]=failed", "/state[]"],
    ["__proto__=1", "/__proto__"],
    ["constructor=1", "/constructor"],
    ["=1", "/"],
    ["a/b~c=1", "/a~1b~0c"],
    ["a%00=1", "/a\0"],
    ["%27%3Bdrop%20table%20jobsvc.jobs--=1", "/';drop table jobsvc.jobs--"],
  ])("%s", async (query, pointer) => {
    const problem = await problemOf(await get(`?${query}`), 422);
    expect(pointersOf(problem)).toContain(pointer);
    expect(new Set(pointersOf(problem)).size).toBe(1);
    for (const { detail } of problem.errors!) expect(detail).toMatch(/^(must|is) (?!.*undefined)/);
  });

  test("all faults at once", async () => {
    const problem = await problemOf(await get("?limit=0&state=x&more=1&cursor=%00&user_id=1"), 422);
    expect(new Set(pointersOf(problem))).toEqual(
      new Set(["/limit", "/state", "/more", "/cursor", "/user_id"]),
    );
  });

  test("also from a bound key that asks for somebody else", async () => {
    const { headers } = await newKey(db, { scopes: ["jobs:read"], userId: OWNER });
    const problem = await problemOf(
      await get(`?user_id=${FOREIGNER}&created_after=2026-02-30T00:00:00Z`, headers),
      422,
    );
    expect(pointersOf(problem)).toEqual(["/created_after"]);
  });
});

test.each(["?", "?&", "?&&limit=50&"])("an empty query is none: %s", async (query) => {
  expect(await list(query)).toEqual({ jobs: [], next_cursor: null });
});

test.each(["[", "a%", ":::", "x:99999", "a]b"])("a Host header of %j changes nothing", async (host) => {
  const { url } = await served({ db });
  const answer = await wire(url, ["GET /api/jobs?limit=1&state=failed HTTP/1.1", `Host: ${host}`]);
  expect(answer).toStartWith("HTTP/1.1 200 OK");
  expect(answer).toEndWith('{"jobs":[],"next_cursor":null}');
});

test("nothing of all this was a surprise", () => {
  expect(told.filter(({ name }) => name !== "http.request")).toEqual([]);
});
