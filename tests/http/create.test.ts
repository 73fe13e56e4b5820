import { describe, expect, test } from "bun:test";
import { registry } from "../../src/handlers/registry.ts";
import { handler } from "../support/handlers.ts";
import { NO_KINDS } from "../support/kinds.ts";
import { create, pointersOf, problemOf, SEED_REQUEST, testApp } from "./client.ts";

const KIB = 1024;

describe("a request that is accepted", () => {
  test("the seed's, word for word", async () => {
    const { app, inserted } = testApp();
    const response = await create(app, SEED_REQUEST);
    expect(response.status).toBe(201);
    const [job] = inserted;
    expect(await response.json()).toEqual({ job_id: job!.id });
    expect(response.headers.get("location")).toBe(`/api/jobs/${job!.id}`);
    expect(job).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
      kind: "ai_agent",
      queue: "default",
      priority: 1,
      userId: SEED_REQUEST.user_id,
      resourceId: SEED_REQUEST.resource_id,
      payload: SEED_REQUEST.payload,
      maxAttempts: 4,
      scheduledAt: new Date("2024-01-01T12:00:00Z"),
      timeoutMs: null,
      tags: [],
      metadata: {},
    });
  });

  test("nothing but what is required gets the defaults; max_retries of 3 are 4 attempts", async () => {
    const { user_id, resource_type, resource_id } = SEED_REQUEST;
    const { app, inserted } = testApp();
    await create(app, { user_id, resource_type, resource_id, payload: "{}" });
    expect(inserted[0]).toMatchObject({ queue: "default", priority: 5, maxAttempts: 4, scheduledAt: null });
  });

  test("its kind's own queue and tries come before the defaults, and after what it names itself", async () => {
    const { user_id, resource_id } = SEED_REQUEST;
    const kinds = registry([handler(() => 1, { kind: "mail", queue: "letters", maxAttempts: 7 })]);
    const { app, inserted } = testApp({ kinds });
    const body = { user_id, resource_type: "mail", resource_id, payload: "{}" };
    for (const more of [{}, { queue: "default", max_retries: 0 }, { resource_type: "video" }])
      expect((await create(app, { ...body, ...more })).status).toBe(201);
    expect(inserted.map(({ queue, maxAttempts }) => [queue, maxAttempts])).toEqual([
      ["letters", 7],
      ["default", 1],
      ["default", 4],
    ]);
  });

  const ACCEPTED: [field: string, value: unknown, member: string, kept: unknown][] = [
    ["priority", 1, "priority", 1],
    ["priority", 9, "priority", 9],
    ["max_retries", 0, "maxAttempts", 1],
    ["max_retries", 1_000, "maxAttempts", 1_001],
    ["timeout_ms", 1_000, "timeoutMs", 1_000],
    ["timeout_ms", 86_400_000, "timeoutMs", 86_400_000],
    ["scheduled_at", null, "scheduledAt", null],
    ["scheduled_at", "2024-02-29T00:00:00Z", "scheduledAt", new Date("2024-02-29T00:00:00Z")],
    ["scheduled_at", "2024-01-01t12:00:00.123456789z", "scheduledAt", new Date("2024-01-01T12:00:00.123Z")],
    ["scheduled_at", "2024-01-01T12:00:00+05:30", "scheduledAt", new Date("2024-01-01T06:30:00Z")],
    ["scheduled_at", "2199-12-31T23:59:59-23:59", "scheduledAt", new Date("2199-12-31T23:59:59-23:59")],
    ["queue", "A.b_c:d-9", "queue", "A.b_c:d-9"],
    ["queue", "q".repeat(64), "queue", "q".repeat(64)],
    ["user_id", "ABCDEF00-0000-0000-0000-000000000000", "userId", "ABCDEF00-0000-0000-0000-000000000000"],
    ["tags", Array(20).fill("t".repeat(64)), "tags", Array(20).fill("t".repeat(64))],
    ["tags", ["new\nline", "<script>", "👩‍🚀"], "tags", ["new\nline", "<script>", "👩‍🚀"]],
    ["metadata", { a: [1, { b: null }], "": 0.1 }, "metadata", { a: [1, { b: null }], "": 0.1 }],
    ["metadata", { a: "x".repeat(16 * KIB - 8) }, "metadata", { a: "x".repeat(16 * KIB - 8) }],
  ];

  test.each(ACCEPTED)("%s: %j", async (field, value, member, kept) => {
    const { app, inserted } = testApp();
    expect((await create(app, { ...SEED_REQUEST, [field]: value })).status).toBe(201);
    expect(inserted[0]).toHaveProperty(member, kept);
  });
});

describe("a request that is refused", () => {
  const REFUSED: [field: string, value: unknown, pointer?: string][] = [
    ["user_id", "x"],
    ["user_id", ""],
    ["user_id", 7],
    ["user_id", null],
    ["user_id", "urn:uuid:123e4567-e89b-12d3-a456-426614174000"],
    ["user_id", "123e4567e89b12d3a456426614174000"],
    ["user_id", "123e4567-e89b-12d3-a456-426614174000\n"],
    ["resource_id", "456e7890-e89b-12d3-a456-42661417400g"],
    ["resource_type", ""],
    ["resource_type", "a b"],
    ["resource_type", "-a"],
    ["resource_type", "<script>"],
    ["resource_type", "a\0"],
    ["resource_type", "a".repeat(65)],
    ["resource_type", ["ai_agent"]],
    ["queue", ""],
    ["queue", "q".repeat(65)],
    ["queue", "é"],
    ["queue", null],
    ["priority", 0],
    ["priority", 10],
    ["priority", -1],
    ["priority", 1.5],
    ["priority", 2 ** 31],
    ["priority", "1"],
    ["priority", null],
    ["priority", true],
    ["max_retries", -1],
    ["max_retries", 1_001],
    ["max_retries", 1e9],
    ["max_retries", "3"],
    ["timeout_ms", 999],
    ["timeout_ms", 86_400_001],
    ["timeout_ms", 1_000.5],
    ["scheduled_at", ""],
    ["scheduled_at", "tomorrow"],
    ["scheduled_at", 1_704_110_400_000],
    ["scheduled_at", "2024-01-01"],
    ["scheduled_at", "2024-01-01T12:00:00"],
    ["scheduled_at", "2024-01-01 12:00:00Z"],
    ["scheduled_at", "2024-01-01T12:00Z"],
    ["scheduled_at", "2024-02-30T12:00:00Z"],
    ["scheduled_at", "2023-02-29T12:00:00Z"],
    ["scheduled_at", "2024-13-01T12:00:00Z"],
    ["scheduled_at", "2024-00-10T12:00:00Z"],
    ["scheduled_at", "2024-01-01T24:00:00Z"],
    ["scheduled_at", "2024-01-01T12:60:00Z"],
    ["scheduled_at", "2024-01-01T12:00:00+24:00"],
    ["scheduled_at", "0001-01-01T00:00:00Z"],
    ["scheduled_at", "1969-12-31T23:59:59Z"],
    ["scheduled_at", "9999-12-31T23:59:59Z"],
    ["scheduled_at", "+300000-01-01T00:00:00Z"],
    ["scheduled_at", "300000-01-01T00:00:00Z"],
    ["tags", "a"],
    ["tags", Array(21).fill("a")],
    ["tags", ["a", ""], "/tags/1"],
    ["tags", ["t".repeat(65)], "/tags/0"],
    ["tags", ["a", 1], "/tags/1"],
    ["tags", ["a", "\0"], "/tags/1"],
    ["tags", ["a", "\ud800"], "/tags/1"],
    ["metadata", "a"],
    ["metadata", []],
    ["metadata", null],
    ["metadata", { a: "x".repeat(16 * KIB) }],
    ["metadata", { a: { b: ["\0"] } }, "/metadata/a/b/0"],
    ["metadata", { "a/b~c": "\udc00" }, "/metadata/a~1b~0c"],
    ["metadata", { "\0": 1 }, "/metadata/\0"],
    ["metadata", { "\ud800": 1 }, "/metadata/\ud800"],
    ["metadata", { n: 1e30 }, "/metadata/n"],
    ["payload", ""],
    ["payload", "hello"],
    ["payload", "{"],
    ["payload", "{'a':1}"],
    ["payload", "{} {}"],
    ["payload", "NaN"],
    ["payload", '{"a":1,}'],
    ["payload", "\ufeff{}"],
    ["payload", "{}\0"],
    ["payload", '"\0"'],
    ["payload", '"\ud800"'],
    ["payload", "[".repeat(65) + "]".repeat(65)],
    ["job_id", "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77"],
    ["id", "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77"],
    ["state", "completed"],
    ["status", "completed"],
    ["attempt", 9],
    ["created_at", "2024-01-01T12:00:00Z"],
    ["maxRetries", 3],
    ["a/b~c", 1, "/a~1b~0c"],
    ["", 1, "/"],
  ];

  test.each(REFUSED)("%s: %j", async (field, value, pointer = `/${field}`) => {
    const { app, inserted } = testApp();
    const problem = await problemOf(await create(app, { ...SEED_REQUEST, [field]: value }), 422);
    expect(pointersOf(problem)).toEqual([pointer]);
    expect(inserted).toEqual([]);
  });

  test.each(["user_id", "resource_type", "resource_id", "payload"])("without %s", async (field) => {
    const problem = await problemOf(
      await create(testApp().app, { ...SEED_REQUEST, [field]: undefined }),
      422,
    );
    expect(problem.errors).toEqual([{ pointer: `/${field}`, detail: "is required" }]);
  });

  test.each(["null", "[]", '"text"', "7", "true"])("%s is no object", async (body) => {
    expect(pointersOf(await problemOf(await create(testApp().app, body), 422))).toEqual([""]);
  });

  test("names of the prototype are names like others, and change nothing", async () => {
    const seed = JSON.stringify(SEED_REQUEST).slice(1);
    const body = `{"__proto__":{"polluted":1},"constructor":1,${seed}`;
    const problem = await problemOf(await create(testApp().app, body), 422);
    expect(pointersOf(problem).sort()).toEqual(["/__proto__", "/constructor"]);
    expect({}).not.toHaveProperty("polluted");
  });

  test("every faulty field is named at once", async () => {
    const body = { ...SEED_REQUEST, user_id: 1, priority: 0, queue: "", extra: 1 };
    const problem = await problemOf(await create(testApp().app, body), 422);
    expect(pointersOf(problem).sort()).toEqual(["/extra", "/priority", "/queue", "/user_id"]);
    expect(problem.detail).toBe("4 fields are not valid");
  });

  test("nothing that was sent comes back", async () => {
    const secret = "hunter2";
    const body = {
      ...SEED_REQUEST,
      user_id: secret,
      payload: secret,
      tags: [secret.repeat(20)],
      queue: `${secret}!`,
    };
    const answer = await (await create(testApp().app, body)).text();
    expect(answer).not.toContain(secret);
  });

  test("forty thousand faults, or one of a megabyte's name, get a short answer", async () => {
    const many = JSON.stringify(Object.fromEntries(Array.from({ length: 40_000 }, (_, n) => [`f${n}`, 1])));
    expect((await problemOf(await create(testApp().app, many), 422)).errors).toHaveLength(50);
    const answer = await (await create(testApp().app, { ["f".repeat(400_000)]: 1 })).text();
    expect(answer.length).toBeLessThan(2_000);
  });

  test("a kind's own opinion of the payload, with pointers below it", async () => {
    const { app, inserted } = testApp({
      kinds: {
        ...NO_KINDS,
        checkPayload(kind, payload) {
          expect({ kind, payload }).toEqual({ kind: "ai_agent", payload: { task: 7 } });
          return [
            { pointer: "", detail: "needs more" },
            { pointer: "/task", detail: "must be a text" },
          ];
        },
      },
    });
    const problem = await problemOf(await create(app, { ...SEED_REQUEST, payload: '{"task":7}' }), 422);
    expect(problem.errors).toEqual([
      { pointer: "/payload", detail: "needs more" },
      { pointer: "/payload/task", detail: "must be a text" },
    ]);
    expect(inserted).toEqual([]);
  });
});

describe("the payload is kept character by character", () => {
  const PAYLOADS = [
    "1e400",
    "-0",
    "12345678901234567890",
    "0.1000000000000000055511151231257827",
    '{"a":1,"a":2}',
    '{"__proto__":{"a":1},"constructor":2}',
    '{ "b" : 1 ,\n\t"a" : [ ] }',
    '"\\u0000"',
    '"\\ud800"',
    '"\\u00e9\\/\\b"',
    '"é 👩‍🚀 \u2028"',
    '{"a":"}]\\"{["}',
    "null",
    "false",
    '""',
    "[".repeat(64) + "]".repeat(64),
  ];

  test.each(PAYLOADS)("as a text: %s", async (payload) => {
    const { app, inserted } = testApp();
    expect((await create(app, { ...SEED_REQUEST, payload })).status).toBe(201);
    expect(inserted[0]!.payload).toBe(payload);
  });

  test.each(PAYLOADS.filter((payload) => !payload.startsWith('"')))("as itself: %s", async (payload) => {
    const { payload: _, ...others } = SEED_REQUEST;
    const { app, inserted } = testApp();
    const body = `{"payload" : ${payload} ,${JSON.stringify(others).slice(1)}`;
    expect((await create(app, body)).status).toBe(201);
    expect(inserted[0]!.payload).toBe(payload);
  });

  test("up to 256 KiB, in bytes", async () => {
    const { app, inserted } = testApp();
    const quoted = (characters: number, character: string) => `"${character.repeat(characters)}"`;
    expect((await create(app, { ...SEED_REQUEST, payload: quoted(256 * KIB - 2, "x") })).status).toBe(201);
    expect((await create(app, { ...SEED_REQUEST, payload: quoted(128 * KIB - 1, "é") })).status).toBe(201);
    expect(inserted).toHaveLength(2);
    for (const payload of [quoted(256 * KIB - 1, "x"), quoted(128 * KIB, "é")]) {
      const problem = await problemOf(await create(app, { ...SEED_REQUEST, payload }), 413);
      expect(pointersOf(problem)).toEqual(["/payload"]);
    }
    expect(inserted).toHaveLength(2);
  });

  test("a payload full of quotes fits, although escaping doubles it", async () => {
    const payload = JSON.stringify(Array(60_000).fill(""));
    const { app, inserted } = testApp();
    expect((await create(app, { ...SEED_REQUEST, payload })).status).toBe(201);
    expect(inserted[0]!.payload).toBe(payload);
  });
});
