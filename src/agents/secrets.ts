import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

/** Encrypts what agents keep secret, each bound to its agent: copied to another one it can no longer be read. */
export interface Secrets {
  /** The id of the key that encrypts; undefined where there is none, and so no secret can be taken in. */
  readonly keyId: string | undefined;
  encrypt(secret: string, resourceId: string): string;
  /** Throws a `SecretError` when no key here fits. */
  decrypt(text: string, resourceId: string): string;
}

/** Says what is wrong with the keys, never what was to be read. */
export class SecretError extends Error {
  override name = "SecretError";
}

/** AES-256-GCM, with the nonce that it wants: at random, it would take billions of secrets under one key to meet twice. */
const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What is kept: the form, the key that opens it, and nonce, ciphertext and tag in one. */
const FORM = "v1";
const KEPT = new RegExp(`^${FORM}\\.([0-9a-f]{8})\\.([A-Za-z0-9_-]+)$`);

/** `keys` are 32 bytes each, in base64: the first encrypts, all decrypt. */
export function secrets(keys: readonly string[]): Secrets {
  const known = new Map(keys.map((text) => [idOf(text), Buffer.from(text, "base64")]));
  const [keyId] = known.keys();

  return {
    keyId,
    encrypt(secret, resourceId) {
      if (keyId === undefined) throw new SecretError("there is no key to encrypt a secret with");
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, known.get(keyId)!, nonce).setAAD(boundTo(resourceId));
      const sealed = Buffer.concat([
        nonce,
        cipher.update(secret, "utf8"),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${prefixOf(keyId)}${sealed.toString("base64url")}`;
    },
    decrypt(text, resourceId) {
      const [, id = "", sealed = ""] = KEPT.exec(text) ?? [];
      const key = known.get(id);
      if (key === undefined)
        throw new SecretError(
          `a secret was encrypted with the key ${id || "?"}, which is not among the keys here`,
        );
      try {
        return open(Buffer.from(sealed, "base64url"), key, resourceId);
      } catch {
        throw new SecretError(
          `a secret cannot be read with the key ${id}: it was changed, or belongs to another agent`,
        );
      }
    },
  };
}

function open(sealed: Buffer, key: Buffer, resourceId: string): string {
  const [nonce, tag] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(-TAG_BYTES)];
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(boundTo(resourceId)).setAuthTag(tag);
  const secret = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
  return Buffer.concat([secret, decipher.final()]).toString("utf8");
}

/** By which a kept secret tells its key. */
export const prefixOf = (keyId: string) => `${FORM}.${keyId}.`;

/** Tells keys apart, and nothing of the key: four bytes of a hash of thirty-two random ones. */
function idOf(key: string): string {
  return createHash("sha256").update(Buffer.from(key, "base64")).digest("hex").slice(0, 8);
}

function boundTo(resourceId: string): Buffer {
  return Buffer.from(`jobsvc agent ${resourceId.toLowerCase()}`);
}
