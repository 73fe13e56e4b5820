import { expect, test } from "bun:test";
import { readiness } from "../src/readiness.ts";
import { testDatabase } from "./support/database.ts";

const db = await testDatabase();

test("a process that has started stays ready when a later version migrates, one that starts then does not become it", async () => {
  const before = readiness(db, {});
  await before.service.start();
  await db.sql`insert into jobsvc.migrations (number, name, hash) values (9999, 'later', 'of another version')`;
  const after = readiness(db, {});
  await after.service.start();
  expect((await before.check()).ready).toBe(true);
  expect(await after.check()).toMatchObject({ ready: false, checks: { schema: { detail: "SchemaError" } } });
});
