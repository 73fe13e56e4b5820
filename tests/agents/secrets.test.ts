import { describe, expect, test } from "bun:test";
import { prefixOf, SecretError, type Secrets, secrets } from "../../src/agents/secrets.ts";
import { secretsKey } from "../support/agents.ts";

const [A, B] = [secretsKey("a"), secretsKey("b")];
const AGENT = "456e7890-e89b-12d3-a456-426614174001";
const OTHER_AGENT = "456e7890-e89b-12d3-a456-426614174002";
const CANARY = "sk-canary-ä-🔑";

function failure(sealed: Secrets, text: string, agent = AGENT): string {
  try {
    sealed.decrypt(text, agent);
  } catch (error) {
    expect(error).toBeInstanceOf(SecretError);
    return (error as SecretError).message;
  }
  throw new Error("it was decrypted");
}

describe("a secret", () => {
  test("comes back as it was, whatever is in it", () => {
    const sealed = secrets([A]);
    for (const secret of ["", "x", CANARY, "\0\n", "a".repeat(10_000)])
      expect(sealed.decrypt(sealed.encrypt(secret, AGENT), AGENT)).toBe(secret);
  });

  test("looks like nothing, and never the same twice", () => {
    const sealed = secrets([A]);
    const texts = Array.from({ length: 100 }, () => sealed.encrypt(CANARY, AGENT));
    expect(new Set(texts).size).toBe(100);
    const FORM = /^v1\.[0-9a-f]{8}\.[A-Za-z0-9_-]+$/;
    for (const text of texts) expect(text).toMatch(FORM);
    expect(texts.join()).not.toContain("canary");
    expect(Buffer.from(texts[0]!.split(".")[2]!, "base64url").byteLength).toBe(
      12 + Buffer.byteLength(CANARY) + 16,
    );
  });

  test("belongs to its agent, however its id is written", () => {
    const sealed = secrets([A]);
    const text = sealed.encrypt(CANARY, AGENT.toUpperCase());
    expect(sealed.decrypt(text, AGENT)).toBe(CANARY);
    expect(failure(sealed, text, OTHER_AGENT)).toContain("it was changed, or belongs to another agent");
  });

  test("cannot be changed: not one bit of it, and not by a cut", () => {
    const sealed = secrets([A]);
    const [form, id, body] = sealed.encrypt(CANARY, AGENT).split(".") as [string, string, string];
    const bytes = Buffer.from(body, "base64url");
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(failure(sealed, `${form}.${id}.${changed.toString("base64url")}`)).toContain("it was changed");
    }
    for (const length of [1, 11, 12, 27, 28, bytes.length - 1])
      failure(sealed, `${form}.${id}.${bytes.subarray(0, length).toString("base64url")}`);
  });

  test("that was never one is refused, and nothing of it is told", () => {
    for (const text of ["", CANARY, "v1..", "v2.00000000.AAAA", `v1.${CANARY}.x`]) {
      const told = failure(secrets([A]), text);
      expect(told).toBe("a secret was encrypted with the key ?, which is not among the keys here");
    }
  });
});

describe("keys", () => {
  test("the first encrypts, all decrypt", () => {
    const [old, both] = [secrets([A]), secrets([B, A])];
    const text = old.encrypt(CANARY, AGENT);
    expect(both.decrypt(text, AGENT)).toBe(CANARY);
    expect(both.keyId).toBe(secrets([B]).keyId!);
    expect(both.encrypt(CANARY, AGENT)).toStartWith(prefixOf(secrets([B]).keyId!));
    expect(failure(secrets([B]), text)).toBe(
      `a secret was encrypted with the key ${old.keyId}, which is not among the keys here`,
    );
  });

  test("are told apart by an id that says nothing of them", () => {
    expect(secrets([A]).keyId).toMatch(/^[0-9a-f]{8}$/);
    expect(secrets([A]).keyId).not.toBe(secrets([B]).keyId!);
    expect(Buffer.from(A, "base64").toString("hex")).not.toContain(secrets([A]).keyId!);
  });

  test("may be written with or without padding, and in the alphabet of URLs", () => {
    const bytes = Buffer.alloc(32, 0xfb);
    const ids = [
      bytes.toString("base64"),
      bytes.toString("base64").replace("=", ""),
      bytes.toString("base64url"),
    ].map((key) => secrets([key]).keyId);
    expect(new Set(ids).size).toBe(1);
  });

  test("none: nothing can be encrypted, and nothing read", () => {
    const none = secrets([]);
    expect(none.keyId).toBeUndefined();
    expect(() => none.encrypt(CANARY, AGENT)).toThrow(SecretError);
    failure(none, secrets([A]).encrypt(CANARY, AGENT));
  });
});

test("the cipher is AES-256-GCM, as others know it", async () => {
  const sealed = Buffer.from(secrets([A]).encrypt(CANARY, AGENT).split(".")[2]!, "base64url");
  const key = await crypto.subtle.importKey("raw", Buffer.from(A, "base64"), "AES-GCM", false, ["decrypt"]);
  const clear = await crypto.subtle.decrypt(
    { name: "AES-GCM", iv: sealed.subarray(0, 12), additionalData: Buffer.from(`jobsvc agent ${AGENT}`) },
    key,
    sealed.subarray(12),
  );
  expect(Buffer.from(clear).toString()).toBe(CANARY);
});
