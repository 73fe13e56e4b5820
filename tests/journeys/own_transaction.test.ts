import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { api } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { insertJobCall } from "../support/insert_by_sql.ts";
import { proxyTo } from "../support/proxy.ts";
import { INSTALL_MS, python, said } from "../support/python.ts";
import { startService } from "../support/service.ts";

setDefaultTimeout(INSTALL_MS);

/** Where Debian puts the programs of each major version. */
const DEBIAN_POSTGRES = "/usr/lib/postgresql";
const README = join(import.meta.dir, "../../README.md");
const REQUIREMENTS = join(import.meta.dir, "requirements.txt");
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/;

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const service = await startService({ args: ["--port=0"], env: { DATABASE_URL }, lives: "file" });
const client = api(service.url);

/** The examples of the README's chapter, word for word. */
const chapter = (await Bun.file(README).text()).match(/\n## Inside your own transaction\n(.*?)\n## /s)![1]!;
const example = (language: string) =>
  chapter.match(new RegExp(`\n\`\`\`${language}\n(.*?)\n\`\`\`\n`, "s"))![1]!;

function psql(): string {
  const versions = () =>
    readdirSync(DEBIAN_POSTGRES).map((version) => join(DEBIAN_POSTGRES, version, "bin/psql"));
  const found = Bun.which("psql") ?? versions()[0];
  if (found === undefined) throw new Error("this test needs psql: apt-get install postgresql-client");
  return found;
}

async function inPsql(sql: string) {
  return await said([psql(), "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", sql, DATABASE_URL]);
}

async function orders() {
  return (await db.sql`select number from orders order by number`).map(({ number }) => number);
}

async function jobs() {
  return (await db.sql`select id from jobsvc.jobs`).length;
}

describe("the examples of the README", () => {
  test("in psql: an order and its job, which runs", async () => {
    const { exitCode, output } = await inPsql(example("sql"));
    expect({ exitCode, output }).toMatchObject({
      exitCode: 0,
      output: expect.stringContaining("insert_job"),
    });
    const job = await client.reached(output.match(UUID)![0], "completed");
    expect(job).toMatchObject({ resource_type: "client_agent", payload: { task: "confirm", order: 17 } });
    expect(await orders()).toEqual([17]);
  });

  test("in Python: the same", async () => {
    const program = await python(REQUIREMENTS);
    const { exitCode, output } = await said([program, "-c", example("python")], { DATABASE_URL });
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.stringMatching(UUID) });
    const job = await client.reached(output.trim(), "completed");
    expect(job).toMatchObject({ payload: { task: "confirm", order: 18 }, priority: 5, max_retries: 3 });
    expect(await orders()).toEqual([17, 18]);
  });

  test("leave nothing behind when something after them fails", async () => {
    const before = await jobs();
    const program = await python(REQUIREMENTS);
    const failing = example("python")
      .replace("(18,", "(19,")
      .replace(").fetchone()", ').fetchone()\n    raise RuntimeError("no stock")');
    const { exitCode, output } = await said([program, "-c", failing], { DATABASE_URL });
    expect({ exitCode, output }).toEqual({ exitCode: 1, output: expect.stringContaining("no stock") });
    const rolledBack = await inPsql(
      example("sql")
        .replace(/create.*?;/, "")
        .replaceAll("17", "20")
        .replace("commit", "rollback"),
    );
    expect(rolledBack).toEqual({ exitCode: 0, output: expect.stringMatching(UUID) });
    expect(await orders()).toEqual([17, 18]);
    expect(await jobs()).toBe(before);
  });
});

test("a refusal reads well in psql", async () => {
  const { output } = await inPsql(`select ${insertJobCall({ priority: "10" })}`);
  expect(output).toStartWith("ERROR:  priority must be an integer from 1 to 9\n");
});
