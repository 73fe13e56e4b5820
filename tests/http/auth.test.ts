import { describe, expect, onTestFinished, test } from "bun:test";
import { get } from "node:http";
import type { AnyElysia } from "elysia";
import { keyText, newKey } from "../../src/access/key.ts";
import type { Database } from "../../src/db/connect.ts";
import { DeadlineError } from "../../src/db/deadline.ts";
import { httpServer } from "../../src/http/server.ts";
import {
  create,
  JSON_TYPE,
  problemOf,
  request,
  SEED_REQUEST,
  SOME_ID,
  testAccess,
  testApp,
  testParts,
} from "./client.ts";
import { bearer } from "./keyed.ts";
import { served } from "./wire.ts";

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

describe("who tries one key after the other", () => {
  function guessing() {
    const clock = { ms: 1_000_000 };
    const access = testAccess({ settingsKeys: KEYS, now: () => clock.ms });
    const { app, told } = testApp({ access });
    const tryKey = async (key: string | undefined) =>
      await request(app, "GET", "/api/nowhere", key === undefined ? {} : { headers: bearer(key) });
    const guess = async (times: number) => {
      for (let count = 0; count < times; count++) await problemOf(await tryKey(`guess-${count}`), 401);
    };
    return { clock, told, tryKey, guess };
  }

  test("is told to wait after fifty, until ten seconds have passed since the first", async () => {
    const { clock, tryKey, guess } = guessing();
    await guess(1);
    clock.ms += 4_000;
    await guess(49);
    const refused = await tryKey("guess-50");
    expect(refused.headers.get("retry-after")).toBe("6");
    expect((await problemOf(refused, 429)).detail).toBe("too many API keys from here were not valid");
    clock.ms += 6_000;
    await guess(50);
    await problemOf(await tryKey("guess-51"), 429);
  });

  test("learns nothing meanwhile, not even by the right key", async () => {
    const { clock, tryKey, guess } = guessing();
    await guess(50);
    await problemOf(await tryKey(KEYS[0]), 429);
    clock.ms += 10_000;
    await problemOf(await tryKey(KEYS[0]), 404);
  });

  test("does not lock out a neighbour behind the same proxy whose key has worked before", async () => {
    const { tryKey, guess } = guessing();
    await problemOf(await tryKey(KEYS[1]), 404);
    await guess(50);
    await problemOf(await tryKey("guess-50"), 429);
    await problemOf(await tryKey(KEYS[1]), 404);
  });

  test("does not lock out who calls from another address", async () => {
    const { url } = await served({ access: testAccess({ settingsKeys: KEYS }) });
    const statusFor = (key: string, localAddress: string) =>
      new Promise((resolve, reject) => {
        get(new URL("/api/nowhere", url), { localAddress, headers: bearer(key) }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        }).on("error", reject);
      });
    for (let count = 0; count < 50; count++) expect(await statusFor(`guess-${count}`, "127.0.0.1")).toBe(401);
    expect(await statusFor(KEYS[0]!, "127.0.0.1")).toBe(429);
    expect(await statusFor(KEYS[0]!, "127.0.0.2")).toBe(404);
  });

  test("calls without a key are no guesses", async () => {
    const { tryKey, guess } = guessing();
    for (let count = 0; count < 100; count++) await problemOf(await tryKey(undefined), 401);
    await guess(50);
    await problemOf(await tryKey(undefined), 401);
  });
});

test("over a socket it is told to wait as well", async () => {
  const access = testAccess({ settingsKeys: KEYS });
  const server = httpServer({ ...testParts().parts, access, host: "127.0.0.1", port: 0 });
  await server.start();
  onTestFinished(() => server.stop());
  const tryKey = async (key: string) =>
    (await fetch(`${server.url}api/nowhere`, { headers: bearer(key) })).status;
  const guesses = await Promise.all(Array.from({ length: 50 }, (_, count) => tryKey(`guess-${count}`)));
  expect(new Set(guesses)).toEqual(new Set([401]));
  expect(await tryKey("guess-50")).toBe(429);
  expect(access.badKeys.refusedFor("127.0.0.1")).toBeGreaterThan(0);
  expect(access.badKeys.refusedFor("127.0.0.2")).toBe(0);
});

describe("while the database is away", () => {
  const away: Database = {
    run: () => Promise.reject(new DeadlineError("away")),
    listen: () => Promise.reject(new DeadlineError("away")),
    close: async () => {},
  };
  const someKey = keyText(newKey());

  test("a key of the settings still opens, and what is no key at all is still refused", async () => {
    const { app, inserted } = testApp({ access: testAccess({ db: away, settingsKeys: KEYS }) });
    expect((await create(app, SEED_REQUEST, bearer(KEYS[0]!))).status).toBe(201);
    await problemOf(await create(app, SEED_REQUEST, bearer("guess")), 401);
    await problemOf(await create(app, SEED_REQUEST), 401);
    expect(inserted).toHaveLength(1);
  });

  test("whether another key opens cannot be told: 503, and nothing happens", async () => {
    for (const settingsKeys of [KEYS, []]) {
      const { app, inserted } = testApp({ access: testAccess({ db: away, settingsKeys }) });
      for (const headers of settingsKeys.length > 0 ? [bearer(someKey)] : [bearer(someKey), {}]) {
        const response = await create(app, SEED_REQUEST, headers);
        expect(response.headers.get("retry-after")).not.toBeNull();
        await problemOf(response, 503);
      }
      expect(inserted).toEqual([]);
    }
  });
});

test("a service that others can reach is not opened by the lack of keys", async () => {
  const { app, inserted } = testApp({ access: testAccess({ openWithoutKeys: false }) });
  await problemOf(await create(app, SEED_REQUEST), 401);
  await problemOf(await create(app, SEED_REQUEST, bearer("anything")), 401);
  expect(inserted).toEqual([]);
});

describe("a page of another site in a browser on this machine", () => {
  const OWN = ["http://localhost", "http://127.0.0.1:8082", "http://[::1]:8082", "http://LOCALHOST:3000"];
  const OTHER = [
    "http://evil.example",
    "http://localhost.evil.example:8082",
    "http://127.0.0.1.evil.example",
    "null",
  ];
  const send = (app: AnyElysia, base: string, headers: Record<string, string>) =>
    app.handle(
      new Request(`${base}/api/jobs/create`, {
        method: "POST",
        body: JSON.stringify(SEED_REQUEST),
        headers: { ...JSON_TYPE, ...headers },
      }),
    );

  test.each(OWN)(
    "%s is this machine: as the address that is called, and as the page that calls",
    async (own) => {
      const { app } = testApp();
      expect((await send(app, own, {})).status).toBe(201);
      expect((await send(app, OWN[0]!, { origin: own })).status).toBe(201);
    },
  );

  test.each(OTHER)("%s is not", async (other) => {
    const { app, inserted } = testApp();
    await problemOf(await send(app, OWN[0]!, { origin: other }), 403);
    if (other !== "null") await problemOf(await send(app, other, {}), 403);
    expect(inserted).toEqual([]);
  });

  test("may be wherever it wants once it has a key: no page can send one that it was not given", async () => {
    const { app } = guarded();
    for (const other of OTHER)
      expect((await send(app, OWN[0]!, { origin: other, ...bearer(KEYS[0]!) })).status).toBe(201);
    expect((await send(app, "http://jobs.example", bearer(KEYS[0]!))).status).toBe(201);
  });
});
