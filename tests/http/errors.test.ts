import { describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { DeadlineError } from "../../src/db/deadline.ts";
import { TEST_TOKENS } from "../support/agents.ts";
import { create, problemOf, request, SEED_REQUEST, SOME_ID, type Told, testApp } from "./client.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const failing = (error: unknown): Partial<Database> & Database => ({
  run: () => Promise.reject(error),
  listen: () => Promise.reject(error),
  close: async () => {},
});

describe("404", () => {
  const NOWHERE = [
    "/nowhere",
    "/api",
    "/api/",
    "/api/jobs/x",
    "/api/jobs/123",
    "/api/jobs/123e4567e89b12d3a456426614174000",
    `/api/jobs/urn:uuid:${SOME_ID}`,
    "/api/jobs/%00",
    "/api/jobs/%ff%zz",
    "/api/jobs/..%2f",
    `/api/jobs/${SOME_ID}/cancel/now`,
    `/api/jobs/${SOME_ID}%27%20or%201=1`,
    `/api/jobs/${"x".repeat(5_000)}`,
    "/generated",
    "/generated/json",
    "/swagger/json",
    "/swagger/../../etc/passwd",
  ];

  test.each(NOWHERE)("%s", async (path) => {
    const { app, told } = testApp();
    await problemOf(await request(app, "GET", path), 404);
    expect(failures(told)).toEqual([]);
  });

  test("an id of the wrong form cannot be told from one that is not there", async () => {
    const { app } = testApp({ db: { ...failing(undefined), run: async () => [] as never } });
    const { instance: _, ...unknown } = await problemOf(
      await request(app, "GET", `/api/jobs/${SOME_ID}`),
      404,
    );
    const { instance: __, ...wrong } = await problemOf(await request(app, "GET", "/api/jobs/wrong"), 404);
    expect(wrong).toEqual(unknown);
  });
});

describe("405", () => {
  const { app } = testApp();
  const paths = [...new Set(app.routes.map(({ path }) => path))];
  const token = TEST_TOKENS.make({ leaseId: SOME_ID, jobId: SOME_ID, attempt: 1 });

  test.each(paths)("%s tells which methods it takes", async (route) => {
    const path = route.replace(":id", SOME_ID);
    const taken = app.routes.filter((one) => one.path === route).map(({ method }) => String(method));
    if (taken.includes("GET")) taken.push("HEAD");
    const headers = path.startsWith("/api/callbacks/") ? { authorization: `Bearer ${token}` } : {};
    for (const method of METHODS.filter((one) => !taken.includes(one))) {
      const response = await request(app, method, path, { headers });
      expect(response.headers.get("allow")).toBe([...taken].sort().join(", "));
      expect(response.status).toBe(405);
      if (method !== "HEAD") await problemOf(response, 405);
    }
  });

  test("the address to create jobs at is no job", async () => {
    const response = await request(app, "GET", "/api/jobs/create");
    expect(response.headers.get("allow")).toBe("POST");
    await problemOf(response, 405);
  });
});

describe("500", () => {
  const SECRETS: [why: string, thrown: unknown][] = [
    [
      "an error of the driver",
      Object.assign(new Error("select * from jobsvc.jobs at db.internal"), { code: "42P01" }),
    ],
    ["an error with a status of its own", Object.assign(new Error("db.internal"), { status: 200 })],
    [
      "an error that answers by itself",
      Object.assign(new Error("x"), { toResponse: () => new Response("db.internal") }),
    ],
    ["a text", "db.internal"],
  ];

  test.each(SECRETS)("%s is told to the log alone", async (_, thrown) => {
    const { app, told } = testApp({ db: failing(thrown) });
    const response = await request(app, "GET", `/api/jobs/${SOME_ID}`);
    const problem = await problemOf(response, 500);
    expect(JSON.stringify(problem)).not.toMatch(/db\.internal|select|42P01|at /);
    expect(failures(told)).toEqual([{ request_id: problem.instance, error: thrown }]);
  });

  test("nothing at all is thrown, which the router itself trips over", async () => {
    const { app, told } = testApp({ db: failing(undefined) });
    const response = await request(app, "GET", `/api/jobs/${SOME_ID}`);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    await problemOf(response, 500);
    expect(failures(told)).toHaveLength(1);
  });

  test("also while a job is created, and the job is not answered", async () => {
    const { app, told } = testApp({ inserter: { insert: () => Promise.reject(new Error("db.internal")) } });
    const problem = await problemOf(await create(app, SEED_REQUEST), 500);
    expect(JSON.stringify(problem)).not.toContain("db.internal");
    expect(failures(told)).toHaveLength(1);
  });
});

describe("503", () => {
  const AWAY: [why: string, error: unknown][] = [
    ["refused", Object.assign(new Error("connect ECONNREFUSED 10.0.0.7:5432"), { code: "ECONNREFUSED" })],
    ["shutting down", Object.assign(new Error("terminating connection"), { code: "57P01" })],
    ["silent", new DeadlineError("no answer from the database within 10000 ms")],
  ];

  test.each(AWAY)("the database is away: %s", async (_, error) => {
    const { app, told } = testApp({ db: failing(error), inserter: { insert: () => Promise.reject(error) } });
    const answers = [
      await request(app, "GET", `/api/jobs/${SOME_ID}`),
      await request(app, "POST", `/api/jobs/${SOME_ID}/cancel`),
      await create(app, SEED_REQUEST),
    ];
    for (const response of answers) {
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(JSON.stringify(await problemOf(response, 503))).not.toMatch(/10\.0\.0\.7|terminating/);
    }
    expect(failures(told)).toEqual([]);
  });
});

function failures(told: readonly Told[]) {
  return told.filter(({ name }) => name === "request.failed").map(({ fields }) => fields);
}
