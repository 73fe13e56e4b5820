import { describe, expect, test } from "bun:test";
import { createProbeApp } from "../../src/http/app.ts";
import { problemOf, request, testAccess, testApp } from "./client.ts";

describe("probes", () => {
  test.each(["/api/health", "/livez"])("%s answers from memory", async (path) => {
    const { app } = testApp({ readiness: () => Promise.reject(new Error("asked")) });
    const response = await request(app, "GET", path);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      status: "ok",
      version: "1.2.3",
      uptime_seconds: expect.any(Number),
    });
  });

  test("/readyz while ready", async () => {
    const response = await request(testApp().app, "GET", "/readyz");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ready", checks: { database: { ok: true } } });
  });

  test("/readyz while not: which check says so", async () => {
    const checks = { database: { ok: false, detail: "no answer" }, schema: { ok: true } };
    const { app, told } = testApp({ readiness: async () => ({ ready: false, checks }) });
    const problem = await problemOf(await request(app, "GET", "/readyz"), 503);
    expect(problem.checks).toEqual(checks);
    expect(told).toEqual([]);
  });

  test("HEAD answers like GET, without the body", async () => {
    const { app } = testApp();
    for (const path of [
      "/api/health",
      "/livez",
      "/readyz",
      "/openapi.json",
      "/swagger",
      "/swagger/swagger-ui.css",
    ]) {
      const [get, head] = [await request(app, "GET", path), await request(app, "HEAD", path)];
      expect(head.status).toBe(get.status);
      expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
      expect(head.headers.get("content-length")).toBe(String((await get.bytes()).length));
      expect(await head.text()).toBe("");
    }
  });

  test("a process that only works answers nothing else", async () => {
    const app = createProbeApp({
      emit: () => {},
      version: "1.2.3",
      readiness: async () => ({ ready: true, checks: {} }),
      metrics: { text: async () => "" },
      access: testAccess(),
    });
    for (const path of ["/api/health", "/livez", "/readyz", "/metrics"])
      expect((await request(app, "GET", path)).status).toBe(200);
    for (const path of ["/", "/swagger", "/openapi.json", "/api/jobs/create"])
      await problemOf(await request(app, "GET", path), 404);
  });
});
