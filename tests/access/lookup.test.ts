import { beforeEach, expect, test } from "bun:test";
import { hashOf, parseKey } from "../../src/access/key.ts";
import { createKey, revokeKey } from "../../src/access/keys.ts";
import { keyLookUp } from "../../src/access/lookup.ts";
import type { Database } from "../../src/db/connect.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();
const NOBODY = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";
const USER = "123e4567-e89b-12d3-a456-426614174000";

beforeEach(async () => {
  await db.sql`truncate jobsvc.api_keys`;
});

async function created() {
  const key = await createKey(db, {
    name: "",
    scopes: ["jobs:read", "jobs:write"],
    userId: USER,
    takes: { queues: null, kinds: ["letter"] },
    expires: null,
  });
  return key!;
}

/** Counts the statements, and lets them go only when the test says so. */
function held(): { db: Database; statements: () => number; release: () => void } {
  let count = 0;
  let gate = Promise.withResolvers<void>();
  return {
    db: {
      ...db,
      async run(statement) {
        count++;
        await gate.promise;
        return db.run(statement);
      },
    },
    statements: () => count,
    release() {
      gate.resolve();
      gate = Promise.withResolvers();
    },
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("finds a live key with what it opens", async () => {
  const { text, record } = await created();
  expect(await keyLookUp(db)(record.id)).toEqual({
    keyed: true,
    key: {
      id: record.id,
      hash: hashOf(parseKey(text)!.secret),
      scopes: ["jobs:read", "jobs:write"],
      userId: USER,
      queues: null,
      kinds: ["letter"],
    },
  });
});

test("finds no key that is unknown, revoked or expired, but knows that there were any", async () => {
  const lookUp = keyLookUp(db);
  expect(await lookUp(NOBODY)).toEqual({ key: undefined, keyed: false });
  expect(await lookUp(null)).toEqual({ key: undefined, keyed: false });
  const { id } = (await created()).record;
  await revokeKey(db, id);
  const expired = (await created()).record.id;
  await db.sql`update jobsvc.api_keys set expires_at = now() where id = ${expired}`;
  for (const one of [id, expired, NOBODY, null])
    expect(await lookUp(one)).toEqual({ key: undefined, keyed: true });
});

test("those who ask while a look-up is in flight share the next one, and each gets its own key", async () => {
  const ids = [(await created()).record.id, (await created()).record.id, NOBODY];
  const database = held();
  const lookUp = keyLookUp(database.db);
  const first = lookUp(ids[0]!);
  await turn();
  expect(database.statements()).toBe(1);
  const others = Array.from({ length: 300 }, (_, index) => lookUp(ids[index % 3]!));
  await turn();
  expect(database.statements()).toBe(1);
  database.release();
  expect((await first).key?.id).toBe(ids[0]!);
  await turn();
  expect(database.statements()).toBe(2);
  database.release();
  const found = await Promise.all(others);
  expect(found.map(({ key }) => key?.id)).toEqual(
    Array.from({ length: 300 }, (_, index) => (index % 3 === 2 ? undefined : ids[index % 3])),
  );
});

test("nobody is answered by a look-up that was sent before they asked", async () => {
  const { id } = (await created()).record;
  const database = held();
  const lookUp = keyLookUp(database.db);
  const early = lookUp(id);
  await turn();
  await revokeKey(db, id);
  const late = lookUp(id);
  database.release();
  await early;
  await turn();
  database.release();
  expect((await late).key).toBeUndefined();
});

test("a failure is told to those who waited for it, and the next ones ask again", async () => {
  const { id } = (await created()).record;
  let broken = true;
  const lookUp = keyLookUp({
    ...db,
    run: (statement) => (broken ? Promise.reject(new Error("away")) : db.run(statement)),
  });
  const failed = await Promise.allSettled([lookUp(id), lookUp(null)]);
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  broken = false;
  expect((await lookUp(id)).key?.id).toBe(id);
});
