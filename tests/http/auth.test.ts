import { describe, expect, test } from "bun:test";
import { create, problemOf, request, SEED_REQUEST, SOME_ID, testAccess, testApp } from "./client.ts";

const KEYS = ["key-one-0123456789", "key-two-9876543210"];
const guarded = () => testApp({ access: testAccess({ settingsKeys: KEYS }) });

describe("with keys", () => {
  const BAD: [why: string, authorization: string | undefined][] = [
    ["none", undefined],
    ["an empty header", ""],
    ["the scheme alone", "Bearer"],
    ["an empty key", "Bearer "],
    ["another scheme", `Basic ${KEYS[0]}`],
    ["no scheme", KEYS[0]],
    ["an unknown key", "Bearer key-one-0123456780"],
    ["a key in other letters", `Bearer ${KEYS[0]!.toUpperCase()}`],
    ["a part of a key", `Bearer ${KEYS[0]!.slice(0, -1)}`],
    ["a key and more", `Bearer ${KEYS[0]} ${KEYS[1]}`],
    ["two keys as one", `Bearer ${KEYS.join()}`],
  ];

  test.each(BAD)("%s: 401 everywhere below /api, and nothing happens", async (_, authorization) => {
    const { app, inserted } = guarded();
    const headers = authorization === undefined ? {} : { authorization };
    const answers = [
      await create(app, SEED_REQUEST, headers),
      await create(app, "{", headers),
      await request(app, "GET", `/api/jobs/${SOME_ID}`, { headers }),
      await request(app, "POST", `/api/jobs/${SOME_ID}/cancel`, { headers }),
      await request(app, "DELETE", "/api/jobs/create", { headers }),
      await request(app, "GET", "/api/nowhere", { headers }),
      await request(app, "GET", "/api", { headers }),
    ];
    for (const response of answers) {
      expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
      await problemOf(response, 401);
    }
    expect(inserted).toEqual([]);
  });

  test("in the address it is no key, and it is not logged", async () => {
    const { app, told } = guarded();
    const [key] = KEYS;
    for (const name of ["key", "api_key", "access_token", "token", "authorization"])
      await problemOf(await request(app, "GET", `/api/jobs/${SOME_ID}?${name}=${key}`), 401);
    expect(JSON.stringify(told)).not.toContain(key);
  });

  test.each(KEYS)("each of them opens: %s", async (key) => {
    for (const scheme of ["Bearer", "bearer", "BEARER"])
      expect((await create(guarded().app, SEED_REQUEST, { authorization: `${scheme} ${key}` })).status).toBe(
        201,
      );
  });

  test.each(["/api/health", "/livez", "/readyz", "/", "/swagger", "/swagger/start.js", "/openapi.json"])(
    "%s stays open",
    async (path) => {
      expect((await request(guarded().app, "GET", path)).status).toBeLessThan(400);
    },
  );

  test("a stranger's body is not even read", async () => {
    let pulled = false;
    const body = new ReadableStream(
      {
        pull() {
          pulled = true;
        },
      },
      { highWaterMark: 0 },
    );
    await problemOf(await request(guarded().app, "POST", "/api/jobs/create", { body }), 401);
    expect(pulled).toBe(false);
  });
});

test("without keys everybody may do everything, a wrong key included", async () => {
  expect((await create(testApp().app, SEED_REQUEST)).status).toBe(201);
  expect((await create(testApp().app, SEED_REQUEST, { authorization: "Bearer x" })).status).toBe(201);
});
