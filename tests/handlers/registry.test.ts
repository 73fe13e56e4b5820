import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { defineJob } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import { handler } from "../support/handlers.ts";

const mail = defineJob({
  kind: "mail",
  payload: Type.Object(
    { to: Type.Array(Type.String(), { minItems: 1 }), "a/b~c": Type.Optional(Type.Integer()) },
    { additionalProperties: false },
  ),
  run: () => undefined,
});

describe("the registry", () => {
  test("finds a handler by its kind, and knows its kinds in their order", () => {
    const video = handler(() => 1, { kind: "video" });
    const kinds = registry([mail, video]);
    expect(kinds.kinds).toEqual(["mail", "video"]);
    expect(kinds.find("video")).toBe(video);
    expect(kinds.find("audio")).toBeUndefined();
  });

  test("knows the kinds whose jobs must not run twice", () => {
    const once = handler(() => 1, { kind: "video", onLost: "fail" });
    const again = handler(() => 1, { kind: "audio", onLost: "retry" });
    expect(registry([mail, once, again]).failLost).toEqual(["video"]);
  });

  test("knows no kind by a name that every object has", () => {
    const kinds = registry([]);
    expect(kinds.find("constructor")).toBeUndefined();
    expect(kinds.checkPayload("__proto__", {})).toEqual([]);
  });

  test("refuses two handlers of one kind", () => {
    expect(() => registry([mail, handler(() => 1, { kind: "mail" })])).toThrow(
      'two handlers claim the kind "mail"',
    );
  });
});

describe("the check of a payload", () => {
  const { checkPayload } = registry([mail]);
  const pointers = (payload: unknown) => checkPayload("mail", payload).map(({ pointer }) => pointer);

  test("finds nothing wrong with what fits", () => {
    expect(checkPayload("mail", { to: ["a@b"] })).toEqual([]);
  });

  test("points at what is wrong, and says what", () => {
    const [problem] = checkPayload("mail", { to: ["a@b", 7] });
    expect(problem).toEqual({ pointer: "/to/1", detail: "Expected string" });
  });

  test.each([
    ["the whole, when it is of another type", [], ""],
    ["a field that is missing", {}, "/to"],
    ["a field that is too much", { to: ["x"], cc: 1 }, "/cc"],
    ["a field whose name has signs of the pointer's own", { to: ["x"], "a/b~c": "1" }, "/a~1b~0c"],
  ])("points at %s", (_, payload, pointer) => {
    expect(pointers(payload)).toContain(pointer);
  });

  test("says of each place one thing", () => {
    expect(checkPayload("mail", {})).toEqual([{ pointer: "/to", detail: "Expected required property" }]);
  });

  test("names the first twenty of a thousand mistakes", () => {
    expect(pointers({ to: Array.from({ length: 1_000 }, () => 0) })).toHaveLength(20);
  });

  test("leaves the payload of an unknown kind to a worker that knows it", () => {
    expect(checkPayload("video", "anything")).toEqual([]);
  });
});
