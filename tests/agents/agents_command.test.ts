import { beforeEach, describe, expect, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { agentFinder } from "../../src/agents/find.ts";
import { putAgent } from "../../src/agents/put.ts";
import { secrets } from "../../src/agents/secrets.ts";
import { EXIT_CONFIGURATION, EXIT_USAGE } from "../../src/config/exit_codes.ts";
import { AI_AGENT_BODY, CLIENT_AGENT_BODY, newAiAgent, secretsKey } from "../support/agents.ts";
import { api } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { usedDirectories } from "../support/embedded.ts";
import { clear } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { runCommand, startService } from "../support/service.ts";

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);
const usedDirectory = usedDirectories();
const [OLD, NEW] = [secretsKey("o"), secretsKey("n")];
const PATH = "/api/agents/456e7890-e89b-12d3-a456-426614174001";

beforeEach(() => clear(db));

const under = (...keys: string[]): Record<string, string> => ({
  DATABASE_URL,
  ...(keys.length > 0 && { JOBSVC_SECRETS_KEYS: keys.join(",") }),
});

const agents = (words: string[], env: Record<string, string>, ...flags: string[]) =>
  runCommand({ args: ["agents", ...words, ...flags], env });

const rotated = (count: number) =>
  expect.stringMatching(
    new RegExp(`^Agents whose secrets were encrypted anew, under the key [0-9a-f]{8}: ${count}\n$`),
  );

/** The statuses of a call to each service. */
async function putOn(urls: readonly string[], body: object): Promise<number[]> {
  return await Promise.all(urls.map(async (url) => (await api(url).put(PATH, body)).status));
}

describe("from one key to the next, with services that run on", () => {
  test("no secret is lost, and the old key is not needed any more", async () => {
    const args = ["--role=api", "--port=0"];
    const before = await startService({ args, env: under(OLD) });
    expect(await putOn([before.url], { ...AI_AGENT_BODY, api_key: "sk-1" })).toEqual([201]);

    const meanwhile = await startService({ args, env: under(NEW, OLD) });
    expect(await agents(["rotate-secrets"], under(NEW, OLD))).toMatchObject({
      code: 0,
      stdout: rotated(1),
      stderr: "",
    });
    expect(await agents(["rotate-secrets"], under(NEW, OLD))).toMatchObject({ code: 0, stdout: rotated(0) });
    expect(await putOn([meanwhile.url], { ...AI_AGENT_BODY, name: "renamed" })).toEqual([200]);

    const [{ resource_id: id }] = (await db.sql`select resource_id from jobsvc.agents`) as [
      { resource_id: string },
    ];
    expect(await agentFinder(db, secrets([NEW]))(id)).toMatchObject({ name: "renamed", apiKey: "sk-1" });
    const audited = await db.sql`select action, key_id, detail from jobsvc.audit order by id`;
    const key = secrets([NEW]).keyId;
    expect(audited[1]).toEqual({
      action: "agents.rotate",
      key_id: null,
      detail: { rotated: 1, key, by: "command line" },
    });
    expect(audited).toHaveLength(3);
  });

  test("a secret that no key reads is told, with its agent; the others are done", async () => {
    const lost = newAiAgent({ secret: "sk-1" });
    await putAgent(db, secrets([secretsKey("lost")]), lost, null);
    await putAgent(db, secrets([OLD]), newAiAgent({ secret: "sk-2" }), null);
    const { code, stdout, stderr } = await agents(["rotate-secrets"], under(NEW, OLD));
    expect({ code, stdout }).toEqual({ code: EXIT_CONFIGURATION, stdout: rotated(1) });
    expect(stderr).toBe(
      `agents rotate-secrets: none of the keys of JOBSVC_SECRETS_KEYS reads the secrets of ${lost.resourceId}: ` +
        "add the key that encrypted them, or register these agents anew\n",
    );
  });
});

describe("mistakes", () => {
  test("a database of one's own has no key unless it is set", async () => {
    const { code, stdout, stderr } = await agents(["rotate-secrets"], under());
    expect({ code, stdout, stderr }).toEqual({
      code: EXIT_CONFIGURATION,
      stdout: "",
      stderr: "agents rotate-secrets: there is no key: set JOBSVC_SECRETS_KEYS\n",
    });
    const { url } = await startService({ args: ["--role=api", "--port=0"], env: under() });
    expect(await putOn([url], CLIENT_AGENT_BODY)).toEqual([422]);
    expect(await putOn([url], AI_AGENT_BODY)).toEqual([201]);
  });

  test("of usage leave with 2", async () => {
    for (const words of [[], ["rotate"], ["rotate-secrets", "now"]])
      expect(await agents(words, under(NEW))).toMatchObject({
        code: EXIT_USAGE,
        stdout: "",
        stderr: "agents: say rotate-secrets\n",
      });
  });

  test("a key that is none leaves with 78, and is not repeated", async () => {
    const { code, stderr } = await agents(["rotate-secrets"], under("c2hvcnQtY2FuYXJ5"));
    expect(code).toBe(EXIT_CONFIGURATION);
    expect(stderr).toContain("JOBSVC_SECRETS_KEYS: must be keys of 32 bytes in base64, separated by commas");
    expect(stderr).not.toContain("c2hvcnQ");
  });
});

describe("with the embedded database", () => {
  test("a key lies beside it, for all processes that share it; one that is set takes its place", async () => {
    const dataDir = await usedDirectory();
    const where = `--data-dir=${dataDir}`;
    const services = await Promise.all(
      [1, 2].map(() => startService({ args: ["--role=api", "--port=0", where] })),
    );
    const urls = services.map(({ url }) => url);
    expect(statSync(join(dataDir, "secrets.key")).mode & 0o777).toBe(0o600);
    expect(await putOn(urls.slice(0, 1), { ...AI_AGENT_BODY, api_key: "sk-1" })).toEqual([201]);
    const kept = await Bun.file(join(dataDir, "secrets.key")).text();
    expect(await agents(["rotate-secrets"], {}, where)).toMatchObject({ code: 0, stdout: rotated(0) });

    const env = { JOBSVC_SECRETS_KEYS: NEW };
    expect(await agents(["rotate-secrets"], env, where)).toMatchObject({ code: 0, stdout: rotated(1) });
    expect(await agents(["rotate-secrets"], {}, where)).toMatchObject({
      code: EXIT_CONFIGURATION,
      stdout: rotated(0),
    });
    expect(await Bun.file(join(dataDir, "secrets.key")).text()).toBe(kept);
  });

  test("a damaged key stops the start, and is not written over", async () => {
    const dataDir = await usedDirectory();
    writeFileSync(join(dataDir, "secrets.key"), "half a ke");
    const { code, stderr } = await runCommand({ args: ["--port=0", `--data-dir=${dataDir}`] });
    expect(code).toBe(EXIT_CONFIGURATION);
    expect(stderr).toContain("is damaged: restore it from a copy, or move it away");
    expect(await Bun.file(join(dataDir, "secrets.key")).text()).toBe("half a ke");
  });
});
