import { expect, test } from "bun:test";
import { hashOf, isSameHash, keyText, newKey, parseKey } from "../../src/access/key.ts";

test("a key holds its id and 256 bits that nobody can guess", () => {
  const key = newKey();
  expect(keyText(key)).toMatch(/^jsk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
  expect(parseKey(keyText(key))).toEqual(key);
  expect(Buffer.from(key.secret, "base64url")).toHaveLength(32);
  const many = Array.from({ length: 1_000 }, newKey);
  expect(new Set(many.map(({ id }) => id)).size).toBe(1_000);
  expect(new Set(many.map(({ secret }) => secret)).size).toBe(1_000);
});

test("a secret may hold what separates the parts", () => {
  const secret = `${"_-".repeat(21)}_`;
  const id = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";
  expect(parseKey(keyText({ id, secret }))).toEqual({ id, secret });
});

const { id, secret } = newKey();
const digits = id.replaceAll("-", "");
test.each([
  "",
  "jsk_",
  id,
  secret,
  `${digits}_${secret}`,
  `JSK_${digits}_${secret}`,
  `jsk_${id}_${secret}`,
  `jsk_${digits}_${secret.slice(1)}`,
  `jsk_${digits}_${secret}A`,
  `jsk_${digits.slice(1)}_${secret}`,
  `jsk_${digits.toUpperCase().replaceAll(/\d/g, "A")}_${secret}`,
  ` jsk_${digits}_${secret}`,
  `jsk_${digits}_${secret}\n`,
])("%j was never a key of ours", (text) => {
  expect(parseKey(text)).toBeUndefined();
});

test("hashes are those of the standard, and compared as a whole", () => {
  expect(hashOf("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(isSameHash(hashOf("abc"), hashOf("abc"))).toBe(true);
  expect(isSameHash(hashOf("abc"), hashOf("abd"))).toBe(false);
});
