import { describe, expect, test } from "bun:test";
import { hashOf, keyText, newKey } from "../../src/access/key.ts";
import { type KeyringParts, keyring } from "../../src/access/keyring.ts";
import type { StoredKey } from "../../src/access/lookup.ts";
import { ANYBODY, TAKES_EVERYTHING } from "../../src/access/principal.ts";
import { ALL_SCOPES } from "../../src/access/scopes.ts";

const SETTINGS_KEYS = ["key-one-0123456789", "key-two-9876543210"];
const USER = "123e4567-e89b-12d3-a456-426614174000";
const key = newKey();
const stored: StoredKey = {
  id: key.id,
  hash: hashOf(key.secret),
  scopes: ["jobs:read"],
  userId: USER,
  queues: ["mail"],
  kinds: null,
};

/** A database that holds these keys, and remembers what it was asked. */
function ringWith(keys: StoredKey[], changes: Partial<KeyringParts> = {}) {
  const asked: (string | null)[] = [];
  const ring = keyring({
    settingsKeys: [],
    lookUp: async (id) => {
      asked.push(id);
      return { key: keys.find((one) => one.id === id), keyed: keys.length > 0 };
    },
    openWithoutKeys: true,
    ...changes,
  });
  return { ring, asked };
}

describe("keys of the settings", () => {
  test("may do everything, and need no database", async () => {
    const { ring, asked } = ringWith([stored], { settingsKeys: SETTINGS_KEYS });
    const principals = await Promise.all(SETTINGS_KEYS.map((one) => ring.identify(one)));
    for (const principal of principals)
      expect(principal).toMatchObject({
        keyId: null,
        userId: null,
        scopes: ALL_SCOPES,
        takes: TAKES_EVERYTHING,
      });
    expect(asked).toEqual([]);
  });

  test("are told apart by a part of their hash, which opens nothing", async () => {
    const { ring } = ringWith([], { settingsKeys: SETTINGS_KEYS });
    const owners = await Promise.all(SETTINGS_KEYS.map(async (one) => (await ring.identify(one))!.owner));
    expect(owners).toEqual(SETTINGS_KEYS.map((one) => `settings:${hashOf(one).slice(0, 12)}`));
    for (const owner of owners) expect(await ring.identify(owner)).toBeUndefined();
  });

  test("close the service to everybody else, without asking the database", async () => {
    const { ring, asked } = ringWith([], { settingsKeys: SETTINGS_KEYS });
    for (const presented of [undefined, "", "x", SETTINGS_KEYS.join(), SETTINGS_KEYS[0]!.toUpperCase()])
      expect(await ring.identify(presented)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("stand beside those of the database", async () => {
    const { ring } = ringWith([stored], { settingsKeys: SETTINGS_KEYS });
    expect(await ring.identify(keyText(key))).toMatchObject({ keyId: key.id });
  });
});

describe("a key of the database", () => {
  test("opens with its scopes and limits, for its user", async () => {
    const { ring } = ringWith([stored]);
    const scopes = new Set(["jobs:read"]);
    expect(await ring.identify(keyText(key))).toEqual({
      keyId: key.id,
      owner: key.id,
      userId: USER,
      scopes,
      takes: { queues: ["mail"], kinds: null },
    } as never);
  });

  test("opens with nothing but itself", async () => {
    const { ring } = ringWith([stored]);
    const others = [
      undefined,
      "",
      key.secret,
      key.id,
      stored.hash,
      keyText({ ...key, secret: newKey().secret }),
      keyText({ ...key, id: newKey().id }),
      keyText({ ...key, secret: stored.hash.slice(0, 43) }),
    ];
    for (const presented of others) expect(await ring.identify(presented)).toBeUndefined();
  });

  test("whose hash is that of no secret at all is opened by none", async () => {
    const { ring } = ringWith([{ ...stored, hash: hashOf("") }]);
    for (const presented of [undefined, "", "x", keyText(key)])
      expect(await ring.identify(presented)).toBeUndefined();
  });
});

describe("without any key", () => {
  test("everybody may do everything, where only this machine can call", async () => {
    const { ring } = ringWith([]);
    for (const presented of [undefined, "", "x", keyText(key)])
      expect(await ring.identify(presented)).toBe(ANYBODY);
  });

  test("nobody may do anything where others can call", async () => {
    const { ring } = ringWith([], { openWithoutKeys: false });
    for (const presented of [undefined, "", "x", keyText(key)])
      expect(await ring.identify(presented)).toBeUndefined();
  });
});

test("a key that has opened is remembered, one that has not is not", async () => {
  const { ring } = ringWith([stored], { settingsKeys: SETTINGS_KEYS });
  for (const good of [keyText(key), SETTINGS_KEYS[0]!]) {
    expect(ring.hasOpened(good)).toBe(false);
    await ring.identify(good);
    expect(ring.hasOpened(good)).toBe(true);
  }
  await ring.identify("guess");
  expect(ring.hasOpened("guess")).toBe(false);
});
