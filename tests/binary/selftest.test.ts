import { expect, setDefaultTimeout, test } from "bun:test";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";

setDefaultTimeout(180_000);

const jobsvc = await program();
const db = await testDatabase();
const { url } = await proxyTo(db.address);

const scratch = () => db.sql`select datname from pg_database where datname like 'jobsvc_selftest_%'`;

test("selftest harms workers of its own, finds everything in order, and leaves nothing behind", async () => {
  // Settings of the operator's service are not for the workers of the test.
  const { code, stdout, stderr } = await jobsvc.run(["selftest", `--database-url=${url}`], { ROLE: "api" });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/^jobsvc selftest in the scratch database jobsvc_selftest_[0-9a-f]{8}\n/);
  expect(stdout).toContain("300 jobs acknowledged, 3 workers");
  expect(stdout).toContain("one worker stopped, exit code 0");
  expect(stdout).toContain("300 jobs completed, 0 lost, 0 attempts ended twice");
  expect(Number(/(\d+) connections dropped/.exec(stdout)?.[1])).toBeGreaterThan(0);
  expect(Number(/(\d+) attempts were lost/.exec(stdout)?.[1])).toBeGreaterThan(0);
  expect(stdout).toEndWith("passed\n");
  expect(await scratch()).toHaveLength(0);
});

test("selftest says what it needs", async () => {
  const { code, stderr } = await jobsvc.run(["selftest"]);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: "selftest: needs a database server, --database-url or DATABASE_URL\n",
  });
});

test("selftest says that its role may not make databases", async () => {
  const role = `plain_${crypto.randomUUID().slice(0, 8)}`;
  await db.sql.unsafe(`create role ${role} login`);
  const own = new URL(url);
  own.username = role;
  const { code, stderr } = await jobsvc.run(["selftest"], { DATABASE_URL: own.href });
  await db.sql.unsafe(`drop role ${role}`);
  expect(code).toBe(78);
  expect(stderr).toContain("createdb");
});
