import { beforeEach, describe, expect, test } from "bun:test";
import { hashOf, parseKey } from "../../src/access/key.ts";
import { anyKeys, createKey, listKeys, type NewKey, revokeKey } from "../../src/access/keys.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();
const USER = "123e4567-e89b-12d3-a456-426614174000";

beforeEach(async () => {
  await db.sql`truncate jobsvc.api_keys`;
});

async function created(changes: Partial<NewKey> = {}) {
  const key = await createKey(db, {
    name: "a key",
    scopes: ["jobs:read"],
    userId: null,
    expires: null,
    ...changes,
  });
  return key!;
}

const MINUTE = { inMs: 60_000 };

describe("creating", () => {
  test("keeps everything but the key itself", async () => {
    const { text, record } = await created({
      name: "the shop",
      scopes: ["jobs:write", "jobs:read"],
      userId: USER,
      takes: { queues: ["mail", "odd{}"], kinds: null },
    });
    expect(record).toEqual({
      id: parseKey(text)!.id,
      name: "the shop",
      scopes: ["jobs:write", "jobs:read"],
      userId: USER,
      queues: ["mail", "odd{}"],
      kinds: null,
      state: "live",
      createdAt: expect.any(Date),
      expiresAt: null,
      revokedAt: null,
    });
    const [row] = await db.sql<{ hash: string; all: string }[]>`
      select hash, api_keys::text as all from jobsvc.api_keys`;
    expect(row!.hash).toBe(hashOf(parseKey(text)!.secret));
    expect(row!.all).not.toContain(parseKey(text)!.secret);
  });

  test("takes an end as a moment or as a time from now, both by the clock of the database", async () => {
    const at = new Date(Date.now() + 3_600_000);
    expect((await created({ expires: { at } })).record.expiresAt).toEqual(at);
    const { createdAt, expiresAt } = (await created({ expires: { inMs: 90_000 } })).record;
    expect(expiresAt!.getTime() - createdAt.getTime()).toBe(90_000);
  });

  test.each<[string, NewKey["expires"]]>([
    ["a moment of the past", { at: new Date("2020-01-01") }],
    ["now", { inMs: 0 }],
  ])("makes nothing that would be over already: %s", async (_, expires) => {
    expect(await createKey(db, { name: "late", scopes: ["admin"], userId: null, expires })).toBeUndefined();
    expect(await listKeys(db, { limit: 10 })).toEqual([]);
  });

  test("a name may be anything that Postgres keeps", async () => {
    const name = `"'\\{},null\n👩‍🚀`;
    expect((await created({ name })).record.name).toBe(name);
  });
});

describe("listing", () => {
  test("the newest first, page by page, those included that open nothing", async () => {
    const ids = [];
    for (let count = 0; count < 5; count++) ids.unshift((await created()).record.id);
    await revokeKey(db, ids[1]!);
    await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${ids[2]!}`;
    const first = await listKeys(db, { limit: 3 });
    const second = await listKeys(db, { limit: 3, before: first[2]!.id });
    expect([...first, ...second].map(({ id }) => id)).toEqual(ids);
    expect(first.map(({ state }) => state)).toEqual(["live", "revoked", "expired"]);
  });
});

describe("revoking", () => {
  test("once; again changes nothing, also of the time", async () => {
    const { id } = (await created()).record;
    const first = await revokeKey(db, id);
    expect(first).toMatchObject({ now: true, record: { id, state: "revoked" } });
    expect(await revokeKey(db, id)).toEqual({ record: first!.record, now: false });
  });

  test("ten at once: one of them did it", async () => {
    const { id } = (await created()).record;
    const answers = await Promise.all(Array.from({ length: 10 }, () => revokeKey(db, id)));
    expect(answers.filter((answer) => answer!.now)).toHaveLength(1);
  });

  test("only the key that is named", async () => {
    const [one, other] = [await created(), await created()];
    await revokeKey(db, one.record.id);
    expect((await listKeys(db, { limit: 1 }))[0]).toMatchObject({ id: other.record.id, state: "live" });
    expect(await revokeKey(db, "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77")).toBeUndefined();
  });
});

test("keys that have ended are known, but not live", async () => {
  expect(await anyKeys(db)).toEqual({ known: false, live: false });
  const { id } = (await created({ expires: MINUTE })).record;
  expect(await anyKeys(db)).toEqual({ known: true, live: true });
  await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${id}`;
  expect(await anyKeys(db)).toEqual({ known: true, live: false });
});
