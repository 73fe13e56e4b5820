import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";

/** One attempt of a job, as whoever runs it holds it. */
export interface HeldAttempt {
  leaseId: string;
  jobId: string;
  attempt: number;
}

/**
 * Makes and reads the tokens by which somebody outside tells of one attempt, and ends it. A token names the attempt and
 * is signed, so nothing is kept; it is good for as long as the attempt runs, which the fence sees to.
 */
export interface CallbackTokens {
  make(held: HeldAttempt): string;
  /** Undefined for what was not made here. */
  read(token: string): HeldAttempt | undefined;
}

/** Tells people and secret scanners what it is. */
const PREFIX = "jscb_";
const UUID_BYTES = 16;
const ATTEMPT_BYTES = 4;
const NAME_BYTES = 2 * UUID_BYTES + ATTEMPT_BYTES;
const MAC_BYTES = 32;
const TOKEN = new RegExp(`^${PREFIX}([A-Za-z0-9_-]{${Math.ceil(((NAME_BYTES + MAC_BYTES) * 8) / 6)}})$`);

/** `keys` are those that encrypt secrets, in base64: what signs is derived from the first, and any of them verifies. */
export function callbackTokens(keys: readonly string[]): CallbackTokens {
  const signing = keys.map((key) => derived(Buffer.from(key, "base64")));

  return {
    make(held) {
      const [key] = signing;
      if (key === undefined) throw new Error("there is no key to sign a callback token with");
      const name = nameOf(held);
      return PREFIX + Buffer.concat([name, mac(key, name)]).toString("base64url");
    },
    read(token) {
      const [, text] = TOKEN.exec(token) ?? [];
      if (text === undefined) return undefined;
      const bytes = Buffer.from(text, "base64url");
      const [name, sent] = [bytes.subarray(0, NAME_BYTES), bytes.subarray(NAME_BYTES)];
      return signing.some((key) => timingSafeEqual(mac(key, name), sent)) ? heldOf(name) : undefined;
    },
  };
}

/** Keys for one purpose each: what encrypts does not sign. */
function derived(key: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "", "jobsvc callback tokens", MAC_BYTES));
}

function mac(key: Buffer, name: Buffer): Buffer {
  return createHmac("sha256", key).update(name).digest();
}

function nameOf({ leaseId, jobId, attempt }: HeldAttempt): Buffer {
  const number = Buffer.alloc(ATTEMPT_BYTES);
  number.writeUInt32BE(attempt);
  return Buffer.concat([uuidBytes(leaseId), uuidBytes(jobId), number]);
}

function heldOf(name: Buffer): HeldAttempt {
  return {
    leaseId: uuidText(name.subarray(0, UUID_BYTES)),
    jobId: uuidText(name.subarray(UUID_BYTES, 2 * UUID_BYTES)),
    attempt: name.readUInt32BE(2 * UUID_BYTES),
  };
}

function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}

function uuidText(bytes: Buffer): string {
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
