import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HandlerError, revived, type StoredError, storedError } from "../../src/job/errors.ts";

/** Far more than one error may take, and far less than a hostile one would. */
const LARGEST_STORED = 200 * 1024;

describe("an Error keeps", () => {
  test("its name, message and stack", () => {
    const stored = storable(new TypeError("no such thing"));
    expect(stored).toMatchObject({ name: "TypeError", message: "no such thing" });
    expect(stored.stack).toContain("errors.test.ts");
  });

  test("its causes, but not without end", () => {
    const circular = new Error("outer");
    circular.cause = new Error("inner", { cause: circular });
    let depth = 0;
    for (let at: StoredError | undefined = storable(circular); at; at = at.cause) depth++;
    expect(depth).toBe(6);
  });

  test("the reason that we give", () => {
    expect(storedError(new Error("x"), "timed_out")).toMatchObject({ message: "x", reason: "timed_out" });
    expect(storedError(new Error("x"))).not.toHaveProperty("reason");
  });

  test("a cause that is no Error", () => {
    expect(storable(new Error("x", { cause: "why" })).cause).toEqual({ name: "string", message: "why" });
  });
});

describe("anything that can be thrown can be stored:", () => {
  const throwing = new Proxy(new Error("x"), {
    get() {
      throw new Error("no reading");
    },
  });
  const impostor = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error("no asking");
      },
    },
  );
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const deep = JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`);

  const values: [string, unknown, Partial<StoredError>][] = [
    ["a string", "gone wrong", { name: "string", message: "gone wrong" }],
    ["undefined", undefined, { name: "undefined", message: "undefined" }],
    ["null", null, { message: "null" }],
    ["a number", 42, { name: "number", message: "42" }],
    ["a bigint", 42n, {}],
    ["a symbol", Symbol("s"), { message: "Symbol(s)" }],
    ["an object", { code: 7 }, { name: "object", message: '{"code":7}' }],
    ["an object without a prototype", Object.create(null), { message: "{}" }],
    ["a circular object", circular, {}],
    ["a deep array", deep, {}],
    ["a function", () => 1, { name: "function" }],
    ["a proxy that cannot be read", throwing, {}],
    ["a proxy that hides what it is", impostor, {}],
    ["a revoked proxy", revoked(), {}],
    ["an error whose name is not a text", Object.assign(new Error("x"), { name: Symbol("s") }), {}],
    [
      "an error whose message cannot be read",
      Object.assign(new Error("x"), { message: Object.create(null) }),
      {},
    ],
    ["an error whose stack is not a text", Object.assign(new Error("x"), { stack: 7 }), { message: "x" }],
    ["an object that refuses to be JSON", { toJSON: () => undefined }, {}],
  ];
  for (const [what, value, expected] of values)
    test(what, () => expect(storable(value)).toMatchObject(expected));

  test("a message that is larger than a page, told with its size", () => {
    const { message } = storable(new Error("x".repeat(5_000_000)));
    expect(message).toEndWith("… (5000000 characters)");
  });

  test("a pair of surrogates that the cut parts", () => {
    storable(new Error("😀".repeat(100_000)));
    storable(`x${"😀".repeat(100_000)}`);
  });

  test("what jsonb cannot hold: NUL and lone surrogates, in every part", () => {
    const error = new Error("a\u0000b\ud800c", { cause: "\udc00\u0000" });
    error.name = "\u0000\ud800";
    expect(storable(error).message).toBe("ab\ufffdc");
  });

  test("tabs and line breaks stay", () => {
    expect(storable("a\tb\nc").message).toBe("a\tb\nc");
  });

  test("every value that we can think of", () => {
    const texts = fc.string({ unit: "binary" });
    const errors = fc
      .record({ name: fc.anything(), message: fc.anything(), stack: fc.anything(), cause: fc.anything() })
      .map((parts) => Object.assign(new Error(), parts));
    fc.assert(fc.property(fc.oneof(fc.anything(), texts, errors), (value) => void storable(value)));
  });
});

test("what is stored of an error becomes one again", () => {
  const cause = new TypeError("inner", { cause: "why" });
  const { reason, ...stored } = storedError(new RangeError("outer", { cause }), "timed_out");
  const error = revived({ ...stored, reason: reason! });
  expect(error).toBeInstanceOf(Error);
  expect(storedError(error)).toMatchObject({
    ...stored,
    cause: { name: "TypeError", message: "inner", cause: { name: "string", message: "why" } },
  });
});

test("a handler may know when to try again, or that it is useless", () => {
  const cause = new Error("too many requests");
  expect(new HandlerError("later", { retryAfter: 500, cause })).toMatchObject({ retryAfter: 500, cause });
  expect(new HandlerError("never", { retryAfter: false }).retryAfter).toBe(false);
  expect(new HandlerError("as usual").retryAfter).toBeUndefined();
  expect(storable(new HandlerError("later", { cause }))).toMatchObject({
    name: "HandlerError",
    cause: { message: "too many requests" },
  });
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Checks what every stored error promises, and answers it. */
function storable(thrown: unknown): StoredError {
  const stored = storedError(thrown);
  const text = JSON.stringify(stored);
  expect(JSON.parse(text)).toEqual(stored);
  expect(text.length).toBeLessThan(LARGEST_STORED);
  expect(text).not.toContain("\\u0000");
  expect(text).not.toMatch(/\\ud[89a-f]/);
  expect(typeof stored.name).toBe("string");
  expect(typeof stored.message).toBe("string");
  return stored;
}
