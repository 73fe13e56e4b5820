import { describe, expect, test } from "bun:test";
import { create, JSON_TYPE, request, SEED_REQUEST, SOME_ID, testApp } from "./client.ts";

/** One answer of each sort: pages, assets, data, refusals before and behind the routes. */
const SORTS: [method: string, path: string, init?: RequestInit][] = [
  ["GET", "/"],
  ["GET", "/swagger"],
  ["GET", "/swagger/start.js"],
  ["GET", "/swagger/swagger-ui.css"],
  ["GET", "/openapi.json"],
  ["GET", "/livez"],
  ["GET", "/readyz"],
  ["HEAD", "/api/health"],
  ["GET", "/nowhere"],
  ["DELETE", "/livez"],
  ["GET", `/api/jobs/${SOME_ID}`],
  ["POST", "/api/jobs/create", { body: "{", headers: JSON_TYPE }],
  ["POST", "/api/jobs/create", { body: JSON.stringify(SEED_REQUEST), headers: JSON_TYPE }],
];

// Taken as one list: a parameter that a row does not fill would be the callback for which the runner then waits.
describe("every answer", () => {
  test.each(SORTS)("%s %s: security headers", async (...[method, path, init]) => {
    const { headers } = await request(testApp().app, method, path, init);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("content-security-policy")).toStartWith("default-src 'none'");
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("cache-control")).toBe(
      path.startsWith("/swagger/") ? "public, max-age=3600" : "no-store",
    );
    expect(headers.has("server")).toBe(false);
    expect(headers.has("x-powered-by")).toBe(false);
    expect(headers.has("access-control-allow-origin")).toBe(false);
  });

  test.each(SORTS)("%s %s: an id, the caller's or one of ours", async (...[method, path, init]) => {
    const { app } = testApp();
    const given = await request(app, method, path, {
      ...init,
      headers: { ...init?.headers, "x-request-id": "trace-7.a_b~c" },
    });
    expect(given.headers.get("x-request-id")).toBe("trace-7.a_b~c");
    const made = await request(app, method, path, init);
    expect(made.headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  test.each(["", " ", "a b", "a/b", 'a"b', "<script>", "é", "a".repeat(129), "a:b"])(
    "the id %j is replaced",
    async (id) => {
      const { headers } = await request(testApp().app, "GET", "/livez", { headers: { "x-request-id": id } });
      expect(headers.get("x-request-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    },
  );
});

describe("the event of a request", () => {
  test("tells what was asked and answered, without the query", async () => {
    const { app, told } = testApp();
    const response = await request(app, "DELETE", "/api/jobs/create?key=secret");
    expect(told).toEqual([
      {
        name: "http.request",
        fields: {
          method: "DELETE",
          path: "/api/jobs/create",
          route: "/api/jobs/create",
          status: 405,
          ms: expect.any(Number),
          request_id: response.headers.get("x-request-id"),
        },
      },
    ]);
  });

  test("comes once for each request, whatever becomes of it", async () => {
    const { app, told } = testApp();
    await create(app, SEED_REQUEST);
    await create(app, {});
    await request(app, "GET", `/api/jobs/${SOME_ID}`);
    await request(app, "GET", "/nowhere");
    await request(app, "GET", "/swagger");
    const statuses = told.filter(({ name }) => name === "http.request").map(({ fields }) => fields.status);
    expect(statuses).toEqual([201, 422, 500, 404, 200]);
  });

  test("does not come for probes", async () => {
    const { app, told } = testApp();
    for (const path of ["/livez", "/readyz", "/api/health"]) await request(app, "GET", path);
    expect(told).toEqual([]);
  });
});
