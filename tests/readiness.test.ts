import { expect, test } from "bun:test";
import { readiness } from "../src/readiness.ts";
import { testDatabase } from "./support/database.ts";

const db = await testDatabase();

test("what it saw ahead it does not ask for again when its turn comes, but is not ready before", async () => {
  let statements = 0;
  const counted = {
    ...db,
    run: ((...statement) => {
      statements++;
      return db.run(...statement);
    }) as typeof db.run,
  };
  const state = readiness(counted, {});
  await state.ahead.start();
  expect(await state.check()).toMatchObject({ ready: false, checks: { schema: { ok: true } } });
  statements = 0;
  await state.service.start();
  expect(statements).toBe(0);
  expect((await state.check()).ready).toBe(true);
});

test("a process that has started stays ready when a later version migrates, one that starts then does not become it", async () => {
  const before = readiness(db, {});
  await before.service.start();
  await db.sql`insert into jobsvc.migrations (number, name, hash) values (9999, 'later', 'of another version')`;
  const after = readiness(db, {});
  await after.service.start();
  expect((await before.check()).ready).toBe(true);
  expect(await after.check()).toMatchObject({ ready: false, checks: { schema: { detail: "SchemaError" } } });
});
