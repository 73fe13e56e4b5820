import { describe, expect, test } from "bun:test";
import { type TSchema, Type } from "@sinclair/typebox";
import { FORMATS } from "../../src/handlers/formats.ts";
import { payloadFault } from "../../src/handlers/payload_fault.ts";

describe("a payload's schema", () => {
  test("may have every type that JSON has", () => {
    const Node = Type.Recursive((Self) => Type.Object({ next: Type.Optional(Self) }));
    const types: TSchema[] = [
      ...[
        Type.Any(),
        Type.Unknown(),
        Type.Never(),
        Type.Null(),
        Type.Boolean(),
        Type.Integer(),
        Type.Number(),
      ],
      ...[
        Type.String(),
        Type.TemplateLiteral([Type.Literal("a-"), Type.Boolean()]),
        Type.Literal("a"),
        Type.Array(Type.Null()),
      ],
      ...[Type.Tuple([Type.Null()]), Type.Object({}), Type.Record(Type.String(), Type.Null()), Node],
      ...[Type.Union([Type.Null(), Type.Boolean()]), Type.Intersect([Type.Object({}), Type.Object({})])],
      ...[Type.Not(Type.Null()), Type.Module({ A: Type.Object({}) }).Import("A"), Type.Unsafe(Type.String())],
    ];
    for (const type of types) {
      expect(payloadFault(type)).toBeUndefined();
      expect(payloadFault(Type.Object({ deep: Type.Array(type) }))).toBeUndefined();
    }
  });

  test.each([
    [Type.Date(), "is JSON, which has no Type.Date"],
    [Type.Undefined(), "is JSON, which has no Type.Undefined"],
    [Type.Uint8Array(), "is JSON, which has no Type.Uint8Array"],
    [Type.RegExp(/a/), "is JSON, which has no Type.RegExp"],
    [Type.Unsafe({ type: "string" }), "is JSON, which has no Type.Unsafe"],
    [
      Type.Transform(Type.String())
        .Decode((text) => new Date(text))
        .Encode(String),
      "is kept as it is sent: Type.Transform cannot be used",
    ],
    [
      Type.String({ format: "phone" }),
      `names an unknown format, "phone"; known are ${Object.keys(FORMATS).join(", ")}`,
    ],
    [Type.String({ pattern: "(" }), /^has a pattern that cannot be: Invalid regular expression/],
    [Type.String({ minLength: "1" as never }), /^is no schema that can be checked/],
    [Type.Ref("Elsewhere"), /^is no schema that can be checked/],
  ])("may not be %j, not even deep inside", (type, fault) => {
    for (const schema of [type, Type.Object({ deep: Type.Array(type) })])
      expect(payloadFault(schema)).toEqual(typeof fault === "string" ? fault : expect.stringMatching(fault));
  });
});

describe("the format", () => {
  const CASES: [format: string, right: string[], wrong: string[]][] = [
    [
      "date-time",
      ["2024-02-29T00:00:00Z", "2024-01-01t12:00:00.123456+05:30", "2016-12-31T23:59:60Z"],
      [
        "",
        "2024-01-01",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
      ],
    ],
    [
      "date",
      ["2024-02-29", "0001-01-01"],
      ["", "2023-02-29", "2024-13-01", "2024-1-1", "2024-00-01", "2024-01-01\n"],
    ],
    ["time", ["12:00:00Z", "23:59:60.5-01:00"], ["", "12:00:00", "24:00:00Z", "12:60:00Z", "12:00Z"]],
    [
      "uuid",
      ["123e4567-e89b-12d3-a456-426614174000", "ABCDEF00-0000-0000-0000-000000000000"],
      ["", "123e4567e89b12d3a456426614174000", "urn:uuid:123e4567-e89b-12d3-a456-426614174000"],
    ],
    [
      "email",
      ["ann@shop.example", "a.b+c_d@sub.shop.example", "x'y@a-b.example"],
      [
        "",
        "ann",
        "ann@",
        "@shop.example",
        "ann@shop",
        "a b@shop.example",
        "ann@-shop.example",
        "ann@shop.example\n",
      ],
    ],
    [
      "uri",
      ["https://shop.example/a?b#c", "urn:isbn:1", "mailto:ann@shop.example"],
      ["", "shop.example", "/a", "https://", "http://a b"],
    ],
    ["ipv4", ["127.0.0.1"], ["", "1.2.3", "256.1.1.1", "::1"]],
    ["ipv6", ["::1", "2001:db8::a"], ["", "127.0.0.1", ":::", "2001:db8::g"]],
  ];

  test("has cases here, whichever it is", () => {
    expect(CASES.map(([format]) => format)).toEqual(Object.keys(FORMATS));
  });

  test.each(CASES)("%s", (format, right, wrong) => {
    const fits = FORMATS[format]!;
    expect(right.filter((text) => !fits(text))).toEqual([]);
    expect(wrong.filter((text) => fits(text))).toEqual([]);
  });
});
