import { randomBytes, timingSafeEqual } from "node:crypto";

/** Marks a text as a key of ours, for people and for scanners that look for leaked secrets. */
const PREFIX = "jsk";
const SECRET_BYTES = 32;
const KEY_PATTERN = /^jsk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

export interface PresentedKey {
  /** By which it is found: a secret that is looked up in an index could be guessed by the time that takes. */
  id: string;
  secret: string;
}

export function newKey(): PresentedKey {
  return { id: Bun.randomUUIDv7(), secret: randomBytes(SECRET_BYTES).toString("base64url") };
}

/** The key as its holder sends it. */
export function keyText({ id, secret }: PresentedKey): string {
  return `${PREFIX}_${id.replaceAll("-", "")}_${secret}`;
}

/** Undefined for what was never a key of ours. */
export function parseKey(text: string): PresentedKey | undefined {
  const [, digits, secret] = KEY_PATTERN.exec(text) ?? [];
  if (digits === undefined || secret === undefined) return undefined;
  return { id: digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"), secret };
}

/** In hex. One round is enough for 256 random bits. In one call, for each request makes some: `createHash` takes five times as long. */
export function hashOf(secret: string): string {
  return Bun.SHA256.hash(secret, "hex");
}

/** Takes the same time wherever two hashes differ. */
export function isSameHash(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one, "hex"), Buffer.from(other, "hex"));
}
