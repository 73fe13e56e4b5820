import { describe, expect, test } from "bun:test";
import { request, testApp } from "./client.ts";

const { app } = testApp();
const textOf = async (path: string) => (await request(app, "GET", path)).text();

describe("the page of Swagger UI", () => {
  test("is where the root leads", async () => {
    const response = await request(app, "GET", "/");
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("/swagger");
  });

  test("loads everything from here, and has no script of its own", async () => {
    const page = await textOf("/swagger");
    const links = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => link!);
    expect(links.sort()).toEqual([
      "/swagger/start.js",
      "/swagger/swagger-ui-bundle.js",
      "/swagger/swagger-ui.css",
      "data:,",
    ]);
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=/);
    for (const link of links.filter((one) => one.startsWith("/")))
      expect((await request(app, "GET", link)).status).toBe(200);
  });

  test("has the policy that keeps it so", async () => {
    const { headers } = await request(app, "GET", "/swagger");
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  });

  test("has the whole of Swagger UI, with the right types", async () => {
    const dist = `${import.meta.dir}/../../node_modules/swagger-ui-dist`;
    for (const [file, type] of [
      ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
      ["swagger-ui.css", "text/css; charset=utf-8"],
    ] as const) {
      const response = await request(app, "GET", `/swagger/${file}`);
      expect(response.headers.get("content-type")).toBe(type);
      expect(await response.text()).toBe(await Bun.file(`${dist}/${file}`).text());
    }
  });

  test("asks no validator, and keeps no key", async () => {
    const start = await textOf("/swagger/start.js");
    expect(start).toContain("validatorUrl: null");
    expect(start).toContain("persistAuthorization: false");
    expect(start).not.toMatch(/https?:\/\//);
  });
});
