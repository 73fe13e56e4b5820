import { beforeAll, describe, expect, test } from "bun:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { NewJobBody } from "../../src/http/new_job.ts";
import { KINDS } from "../openapi/kinds.ts";
import { request, testApp } from "./client.ts";

type Schema = Record<string, unknown>;

let text: string;
let schemas: Record<string, Schema>;
let ofKind: Record<string, { properties: Schema }>;

beforeAll(async () => {
  text = await (await request(testApp({ kinds: KINDS }).app, "GET", "/openapi.json")).text();
  ({ schemas } = JSON.parse(text).components);
  const [known, other] = schemas.NewJob!.anyOf as [{ oneOf: { $ref: string }[] }, { $ref: string }];
  const variants = [...known.oneOf, other].map(({ $ref }) => schemas[$ref.split("/").at(-1)!]!);
  ofKind = Object.fromEntries(variants.map((variant) => [variant.title, variant as { properties: Schema }]));
});

/** A payload goes as itself, or as a text. */
const either = (itself: unknown) => ({
  anyOf: [itself, { type: "string", contentMediaType: "application/json", description: expect.any(String) }],
});
const refer = (name: string) => ({ $ref: `#/components/schemas/${name}` });

describe("the body of a new job", () => {
  test("leaves the document valid, with nothing referred to that is not there", async () => {
    expect(await new Validator().validate(JSON.parse(text))).toEqual({ valid: true });
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g))
      expect(Object.keys(schemas)).toContain(name!);
    expect(text).not.toContain('"$id":"');
  });

  test("is told apart by kind, and has all its fields in each", () => {
    expect(Object.keys(ofKind)).toEqual([...KINDS.kinds, "any other kind"]);
    const fields = Object.keys(NewJobBody.properties);
    for (const variant of Object.values(ofKind)) {
      expect(Object.keys(variant.properties)).toEqual(fields);
      expect(variant).toMatchObject({ required: NewJobBody.required, additionalProperties: false });
    }
    expect(ofKind.tree!.properties.resource_type).toMatchObject({ type: "string", const: "tree" });
    expect(ofKind["any other kind"]!.properties.resource_type).toMatchObject({ not: { enum: KINDS.kinds } });
  });

  test("has each kind's payload, as itself or as a text", () => {
    expect(ofKind.letter!.properties).toMatchObject({
      payload: either(refer("Payload.letter")),
      queue: { default: "mail" },
      max_retries: { default: 6 },
    });
    expect(ofKind.tree!.properties).toMatchObject({
      queue: { default: "default" },
      max_retries: { default: 3 },
    });
    expect(schemas["Payload.letter"]).toEqual({
      type: "object",
      required: ["to"],
      properties: {
        to: { type: "array", minItems: 1, items: { type: "string", format: "email" } },
        text: { type: "string" },
      },
    });
  });

  test("takes a text for JSON, also where the payload may be one", () => {
    const notText = (name: string) => either({ allOf: [refer(name), { not: { type: "string" } }] });
    expect(ofKind.word!.properties.payload).toMatchObject(notText("Payload.word"));
    expect(ofKind.anything!.properties.payload).toMatchObject(notText("Payload.anything"));
  });

  test("refers to what a payload's schema calls by its own names, and finds tuples in today's words", () => {
    const [name] = Object.keys(schemas).filter((id) => id.startsWith("Payload.tree"));
    expect(ofKind.tree!.properties.payload).toMatchObject(either(refer(name!)));
    expect(schemas[name!]).toMatchObject({ properties: { children: { items: refer(name!) } } });
    expect(schemas["Payload.of--pairs"]).toEqual({
      type: "array",
      prefixItems: [{ type: "string" }, { anyOf: [{ type: "integer" }, { type: "null" }] }],
      items: {},
      minItems: 2,
      maxItems: 2,
    });
  });

  test("minds no member that is called like a keyword", () => {
    expect(schemas["Payload.odd"]!.properties).toMatchObject({
      $id: { type: "string" },
      $ref: { type: "string" },
      items: { type: "object" },
    });
  });
});
