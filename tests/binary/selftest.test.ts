import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type DatabaseAddress, openSingle, type Sql } from "../../src/db/connect.ts";
import { program } from "../support/binary.ts";
import { emptyDatabase, testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";

const jobsvc = await program();
const db = await testDatabase();
const { url } = await proxyTo(db.address);
setDefaultTimeout(180_000); // longer than the one that comes with the database

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

describe("a role that may not make databases", () => {
  const role = `plain_${crypto.randomUUID().slice(0, 8)}`;
  const jobsvcSchema = (sql: Sql) => sql`select oid from pg_namespace where nspname = 'jobsvc'`;
  beforeAll(async () => void (await db.sql.unsafe(`create role ${role} login`)));

  /** The command line's answer, for a database that somebody else has made. */
  async function selftest(address: DatabaseAddress) {
    const own = new URL((await proxyTo(address)).url);
    own.username = role;
    return jobsvc.run(["selftest"], { DATABASE_URL: own.href });
  }

  async function given() {
    const address = await emptyDatabase();
    const sql = openSingle(address, "jobsvc test given");
    afterAll(() => sql.end({ timeout: 5 }));
    return { address, sql };
  }

  test("works in an empty database, and leaves it empty", async () => {
    const { address, sql } = await given();
    await sql.unsafe(
      `do $$ begin execute format('grant create on database %I to ${role}', current_database()); end $$`,
    );
    const { code, stdout, stderr } = await selftest(address);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^jobsvc selftest in a scratch schema of the database test_/);
    expect(Number(/(\d+) connections dropped/.exec(stdout)?.[1])).toBeGreaterThan(0);
    expect(stdout).toEndWith("passed\n");
    expect(await jobsvcSchema(sql)).toHaveLength(0);
    await sql.unsafe(
      `do $$ begin execute format('revoke create on database %I from ${role}', current_database()); end $$`,
    );
    await sql.unsafe(`drop owned by ${role}`);
  });

  test("touches nothing where a schema jobsvc is there already, and says what to do", async () => {
    const { address, sql } = await given();
    await sql.unsafe(`create schema jobsvc authorization ${role}; create table jobsvc.precious ()`);
    const before = await jobsvcSchema(sql);
    const { code, stdout, stderr } = await selftest(address);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toContain("is there already and is left alone");
    expect(stderr).toContain("createdb");
    expect(await jobsvcSchema(sql)).toEqual(before);
    expect(await sql`select to_regclass('jobsvc.precious') is not null as there`).toMatchObject([
      { there: true },
    ]);
    await sql.unsafe(`drop owned by ${role} cascade`);
  });

  test("hears what it lacks where it may not make a schema either", async () => {
    const { address, sql } = await given();
    const { code, stdout, stderr } = await selftest(address);
    expect({ code, stdout }).toEqual({ code: 78, stdout: "" });
    expect(stderr).toMatch(/may not create a database, nor a schema in test_/);
    expect(await jobsvcSchema(sql)).toHaveLength(0);
  });
});
