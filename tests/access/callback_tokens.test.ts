import { describe, expect, test } from "bun:test";
import { callbackTokens } from "../../src/access/callback_tokens.ts";
import { secretsKey } from "../support/agents.ts";

const held = () => ({ leaseId: crypto.randomUUID(), jobId: Bun.randomUUIDv7(), attempt: 2 ** 31 - 1 });
const tokens = callbackTokens([secretsKey("a")]);

describe("a callback token", () => {
  test("names the attempt that it was made for", () => {
    const attempt = held();
    expect(tokens.read(tokens.make(attempt))).toEqual(attempt);
  });

  test("fits into a header", () => {
    expect(tokens.make(held())).toMatch(/^jscb_[A-Za-z0-9_-]{91}$/);
  });

  test("is read with any of the keys, and made with the first", () => {
    const [young, old] = [secretsKey("b"), secretsKey("a")];
    const attempt = held();
    expect(callbackTokens([young, old]).read(tokens.make(attempt))).toEqual(attempt);
    const token = callbackTokens([young, old]).make(attempt);
    expect(callbackTokens([young]).read(token)).toEqual(attempt);
    expect(tokens.read(token)).toBeUndefined();
  });

  test("that is changed in any character is none", () => {
    const token = tokens.make(held());
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === "A" ? "B" : "A";
      const forged = token.slice(0, at) + other + token.slice(at + 1);
      const read = tokens.read(forged);
      // The last character carries two bits that mean nothing.
      if (at < token.length - 1) expect(read).toBeUndefined();
    }
  });

  test.each([["sk-1"], [""], ["jscb_"], [`jscb_${"A".repeat(91)}`], [`jscb_${"A".repeat(92)}`]])(
    "%p is none",
    (text) => {
      expect(tokens.read(text)).toBeUndefined();
    },
  );

  test("cannot be made or read without a key", () => {
    const none = callbackTokens([]);
    expect(() => none.make(held())).toThrow("no key");
    expect(none.read(tokens.make(held()))).toBeUndefined();
  });
});
