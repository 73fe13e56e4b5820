import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { elementTexts, memberText, memberTexts, tooDeep } from "../../src/http/json_text.ts";

describe("memberText", () => {
  const TEXTS: [why: string, text: string, member: string][] = [
    ["a number too large for a double", '{"payload":1e400}', "1e400"],
    ["an integer of twenty digits", '{"payload":12345678901234567890}', "12345678901234567890"],
    ["equal names below", '{"payload":{"a":1,"a":2}}', '{"a":1,"a":2}'],
    ["spaces and line ends", '{ "payload" :\n [ 1 , 2 ] \n, "x":1}', "[ 1 , 2 ]"],
    ["brackets in texts", '{"a":"}{][","payload":["]","}"],"b":1}', '["]","}"]'],
    ["quotes in texts", '{"a":"\\"payload\\":1","payload":"\\\\"}', '"\\\\"'],
    ["the name of a member as a text", '{"a":"payload","payload":true}', "true"],
    ["the name further down", '{"a":{"payload":1},"payload":2}', "2"],
    ["an escaped name", '{"pay\\u006coad":null}', "null"],
    ["equal names: the last counts", '{"payload":1,"payload":2}', "2"],
    ["the last member", '{"a":1,"payload":-0.0e-5}', "-0.0e-5"],
  ];

  test.each(TEXTS)("%s", (_, text, member) => {
    expect(JSON.parse(text)).toHaveProperty("payload");
    expect(memberText(text, "payload")).toBe(member);
  });

  test("there is none", () => {
    expect(memberText('{"a":{"payload":1}}', "payload")).toBeUndefined();
    expect(memberText("{}", "payload")).toBeUndefined();
  });

  test("whatever surrounds it, the member comes out as it stands", () => {
    const json = fc.json({ maxDepth: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), json)), json, fc.nat(), (others, payload, place) => {
        const members = others
          .filter(([name]) => name !== "payload")
          .map(([name, value]) => `${JSON.stringify(name)} : ${value}`);
        members.splice(place % (members.length + 1), 0, `"payload":\t${payload}`);
        expect(memberText(`{${members.join(" ,\n")}}`, "payload")).toBe(payload);
      }),
    );
  });
});

describe("memberTexts", () => {
  test.each([
    ["[]", [undefined]],
    ["[1, [2, {}], {}]", [undefined, undefined, undefined]],
    ['[{"payload": 1e400 },{"a":{"payload":1}}]', ["1e400", undefined]],
    ['[{"payload":1,"payload":[2,"]"],"b":":"}]', ['[2,"]"]']],
    ['[{"pay\\u006coad":true},["payload",1],{"a":"payload","b":2}]', ["true", undefined, undefined]],
  ] as const)("%s", (text, members) => {
    JSON.parse(text);
    expect(memberTexts(text, "payload").texts).toEqual([...members]);
  });

  test("finds in each element what memberText finds in it by itself", () => {
    const name = fc.oneof(fc.constant("payload"), fc.string());
    const element = fc.array(fc.tuple(name, fc.json({ maxDepth: 3 }))).map(objectOf);
    fc.assert(
      fc.property(fc.array(element, { minLength: 1 }), (elements) => {
        expect(memberTexts(`\n[ ${elements.join(" ,\t")}\r\n] `, "payload").texts).toEqual(
          elements.map((element) => memberText(element, "payload")),
        );
      }),
    );
  });

  test("tells of as many levels as tooDeep finds, whatever the text", () => {
    const text = fc.string({ unit: fc.constantFrom("[", "]", "{", "}", '"', "\\", ":", ",", "a") });
    fc.assert(
      fc.property(text, (text) => {
        const { depth } = memberTexts(text, "payload");
        expect(tooDeep(text, depth)).toBeUndefined();
        if (depth > 0) expect(tooDeep(text, depth - 1)).toBeDefined();
      }),
    );
  });

  function objectOf(members: readonly (readonly [string, string])[]): string {
    return `{${members.map(([name, value]) => `${JSON.stringify(name)} : ${value}`).join(" ,\n")}}`;
  }
});

describe("elementTexts", () => {
  test.each([
    ["[]", []],
    [" [ \n ] ", []],
    ["[1]", ["1"]],
    ["[ 1e400 ,\t-0.0e-5,\n12345678901234567890 ]", ["1e400", "-0.0e-5", "12345678901234567890"]],
    ['[{"a":1,"a":[2,3]},[[],{}],"],[\\",{"]', ['{"a":1,"a":[2,3]}', "[[],{}]", '"],[\\",{"']],
    ["[null,true,false]", ["null", "true", "false"]],
  ] as const)("%s", (text, elements) => {
    expect(JSON.parse(text)).toHaveLength(elements.length);
    expect(elementTexts(text)).toEqual([...elements]);
  });

  test("whatever the elements are, they come out as they stand", () => {
    fc.assert(
      fc.property(fc.array(fc.json({ maxDepth: 4 })), (elements) => {
        expect(elementTexts(`\n[ ${elements.join(" ,\t")}\r\n] `)).toEqual(elements);
      }),
    );
  });

  test("comes to an end with any text", () => {
    fc.assert(fc.property(fc.string(), (text) => expect(elementTexts(text)).toBeArray()));
    expect(elementTexts("[".repeat(1_000_000))).toBeArray();
  });
});

describe("tooDeep", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

  test("counts levels, and names the member", () => {
    expect(tooDeep(nested(3), 3)).toBeUndefined();
    expect(tooDeep(nested(4), 3)).toEqual({ member: undefined, closed: true });
    expect(tooDeep(`{"a":${nested(2)},"b~/":${nested(3)},"c":1}`, 3)).toEqual({
      member: "b~/",
      closed: true,
    });
    expect(tooDeep('{"a":{"b":[{"c":1}]}}', 3)).toEqual({ member: "a", closed: true });
  });

  test("brackets in texts are no levels", () => {
    expect(tooDeep(`["${"[".repeat(100)}\\"[[[["]`, 3)).toBeUndefined();
  });

  test("what stays open is no JSON", () => {
    expect(tooDeep("[".repeat(100), 3)?.closed).toBe(false);
    expect(tooDeep('[{"":'.repeat(100), 3)?.closed).toBe(false);
  });

  test("agrees with a recursive count on any JSON", () => {
    const depthOf = (value: unknown): number =>
      typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.integer({ min: 0, max: 8 }), (text, limit) => {
        expect(tooDeep(text, limit) !== undefined).toBe(depthOf(JSON.parse(text)) > limit);
      }),
    );
  });
});
