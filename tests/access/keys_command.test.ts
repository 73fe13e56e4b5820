import { beforeEach, describe, expect, test } from "bun:test";
import { parseKey } from "../../src/access/key.ts";
import { EXIT_CONFIGURATION, EXIT_UNAVAILABLE, EXIT_USAGE } from "../../src/config/exit_codes.ts";
import { api } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { usedDirectories } from "../support/embedded.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { runCommand, startService } from "../support/service.ts";

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const usedDirectory = usedDirectories();
const env = { DATABASE_URL };

beforeEach(() => clear(db));

const keys = (args: string[], environment: Record<string, string> = env) =>
  runCommand({ args: ["keys", ...args], env: environment });

async function created(...args: string[]): Promise<{ key: string; id: string }> {
  const { code, stdout, stderr } = await keys(["create", ...args]);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/^This is the key .* keep it\.\n$/),
  });
  const key = stdout.trimEnd();
  expect(stdout).toBe(`${key}\n`);
  return { key, id: parseKey(key)!.id };
}

const statusOf = async (url: string, key?: string) =>
  (await api(url, key === undefined ? {} : { authorization: `Bearer ${key}` }).get("/api/jobs")).status;

test("a key made on the command line closes the running services, opens them, and is revoked on all at once", async () => {
  const args = ["--role=api", "--port=0"];
  const urls = (await Promise.all([startService({ args, env }), startService({ args, env })])).map(
    ({ url }) => url,
  );
  const onEach = (key?: string) => Promise.all(urls.map((url) => statusOf(url, key)));
  expect(await onEach()).toEqual([200, 200]);

  const { key, id } = await created("--scopes=jobs:read", "--name=the shop", "--expires=30d");
  expect(await onEach()).toEqual([401, 401]);
  expect(await onEach(key)).toEqual([200, 200]);

  const revoked = await keys(["revoke", id]);
  expect(revoked).toMatchObject({ code: 0, stdout: "", stderr: `The key ${id} opens nothing any more.\n` });
  expect(await onEach(key)).toEqual([401, 401]);
  expect((await keys(["revoke", key])).stderr).toBe(`The key ${id} had been revoked before.\n`);
});

test("the list shows everything but what opens", async () => {
  const { key, id } = await created("--scopes=jobs:read,jobs:write", "--name=a\u001b[31m\nb");
  const second = await created("--scopes=admin", "--expires=2099-01-01");
  const worker = await created("--scopes=jobs:work", "--queues=mail,post", "--kinds=letter");
  const half = await created("--scopes=jobs:work", "--kinds=letter");
  await keys(["revoke", id]);
  const { code, stdout, stderr } = await keys(["list"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [head, ...rows] = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  const created_at = expect.stringMatching(/^\d{4}-.*Z$/);
  expect(head).toEqual(["ID", "NAME", "SCOPES", "USER", "TAKES", "STATE", "CREATED", "EXPIRES"]);
  expect(rows).toEqual([
    [half.id, "unnamed", "jobs:work", "all", "letter of all queues", "live", created_at, "never"],
    [worker.id, "unnamed", "jobs:work", "all", "letter of mail,post", "live", created_at, "never"],
    [second.id, "unnamed", "admin", "all", "all", "live", created_at, "2099-01-01T00:00:00.000Z"],
    [id, "a[31m b", "jobs:read,jobs:write", "all", "nothing", "revoked", created_at, "never"],
  ]);
  for (const secret of [key, second.key]) expect(stdout).not.toContain(parseKey(secret)!.secret);
});

test("a key for workers takes within its limits, and nothing else", async () => {
  const { url } = await startService({ args: ["--role=api", "--port=0"], env });
  const { key } = await created("--scopes=jobs:work", "--queues=mail,post", "--kinds=letter");
  const { post } = api(url, { authorization: `Bearer ${key}` });
  const take = (changes: object) =>
    post("/api/take", { kinds: ["letter"], worker: { name: "x" }, ...changes });
  expect(await (await take({})).json()).toMatchObject({ jobs: [] });
  expect((await take({ queues: ["post"] })).status).toBe(200);
  expect((await take({ queues: ["default"] })).status).toBe(403);
  expect((await take({ kinds: ["ai_agent"] })).status).toBe(403);
  expect((await api(url, { authorization: `Bearer ${key}` }).get("/api/jobs")).status).toBe(403);
});

test("what was done is in the audit, as done on the command line", async () => {
  const { id } = await created("--scopes=admin", "--name=boss");
  await keys(["revoke", id]);
  await keys(["revoke", id]);
  const entries = await db.sql`select action, key_id, detail from jobsvc.audit order by id`;
  const detail = { key_id: id, name: "boss", by: "command line" };
  expect([...entries]).toEqual([
    { action: "key.create", key_id: null, detail },
    { action: "key.revoke", key_id: null, detail },
  ]);
});

describe("mistakes", () => {
  test("of usage leave with 2, and make nothing", async () => {
    const missing = "0198c8e2-5f3a-7c41-9d0b-2f6f3b1f4a77";
    const LINES: [args: string[], says: string][] = [
      [[], "keys: say create, list or revoke\n"],
      [["create", "--scopes=root"], "--scopes: must be some of"],
      [["create", "--scopes=admin", "--expires=2020-01-01"], "--expires: is over already\n"],
      [["revoke", missing], `keys revoke: there is no key ${missing}\n`],
    ];
    const answers = await Promise.all(LINES.map(([args]) => keys(args)));
    for (const [index, { code, stdout, stderr }] of answers.entries()) {
      expect({ code, stdout }).toEqual({ code: EXIT_USAGE, stdout: "" });
      expect(stderr).toStartWith(LINES[index]![1]);
    }
    expect(await db.sql`select from jobsvc.api_keys`).toHaveLength(0);
  });

  test("a database that does not answer: 69, a line that says so, and no password", async () => {
    const { code, stdout, stderr } = await keys(["list"], {
      DATABASE_URL: "postgres://ada:canary-password@127.0.0.1:1/jobs",
    });
    expect({ code, stdout }).toEqual({ code: EXIT_UNAVAILABLE, stdout: "" });
    expect(stderr).toMatch(/^jobsvc keys: .*\n$/);
    expect(stderr).not.toContain("canary-password");
  });
});

test("a server that others can reach starts once there is a key in the database, and never serves without one", async () => {
  const args = ["--role=api", "--port=0", "--host=0.0.0.0"];
  const refused = await runCommand({ args, env });
  expect(refused.code).toBe(EXIT_CONFIGURATION);
  expect(refused.stderr).toContain("--host: 0.0.0.0 is open to others, and without a key everybody may call");

  const { key, id } = await created("--scopes=jobs:read");
  const { url } = await startService({ args, env });
  expect(await statusOf(url, key)).toBe(200);
  expect(await statusOf(url)).toBe(401);
  await keys(["revoke", id]);
  expect(await statusOf(url, key)).toBe(401);
  await db.sql`delete from jobsvc.api_keys`;
  expect(await statusOf(url)).toBe(401);
});

test("on the embedded database, whether or not a server runs on it", async () => {
  const where = `--data-dir=${await usedDirectory()}`;
  const create = async () => (await keys(["create", "--scopes=jobs:read", where], {})).stdout.trim();
  const first = await create();
  expect(parseKey(first)).toBeDefined();
  const { url } = await startService({ args: ["--port=0", where] });
  expect(await statusOf(url)).toBe(401);
  expect(await statusOf(url, first)).toBe(200);
  const second = await create();
  expect(await statusOf(url, second)).toBe(200);
  expect((await keys(["revoke", first, where], {})).code).toBe(0);
  expect(await statusOf(url, first)).toBe(401);
  expect(await statusOf(url, second)).toBe(200);
});
