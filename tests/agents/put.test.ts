import { beforeEach, describe, expect, test } from "bun:test";
import { deleteAgent } from "../../src/agents/delete.ts";
import { agentFinder } from "../../src/agents/find.ts";
import { listAgents } from "../../src/agents/list.ts";
import { type NewAgent, type PutAgent, putAgent } from "../../src/agents/put.ts";
import { secrets } from "../../src/agents/secrets.ts";
import { readStored, type StoredAgent } from "../../src/agents/stored.ts";
import type { Database } from "../../src/db/connect.ts";
import type { ClientAgent } from "../../src/job/agent.ts";
import { newAiAgent, newClientAgent, secretsKey, signingSecret, TEST_SECRETS } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { clear, everything } from "../support/facts.ts";

const db = await testDatabase();
const find = agentFinder(db, TEST_SECRETS);
const [OWNER, FOREIGNER] = [crypto.randomUUID(), crypto.randomUUID()];
const DAY_MS = 24 * 3_600_000;

beforeEach(() => clear(db));

const put = (agent: NewAgent, boundTo: string | null = null, sealed = TEST_SECRETS) =>
  putAgent(db, sealed, agent, boundTo);

async function done(answer: Promise<PutAgent>): Promise<StoredAgent & { created: boolean }> {
  const put = await answer;
  if (typeof put === "string") throw new Error(put);
  return { ...put.agent, created: put.created };
}

const apiKeyOf = async ({ resourceId }: NewAgent) => {
  const agent = await find(resourceId);
  return agent?.kind === "ai_agent" ? agent.apiKey : undefined;
};

const signingSecretsOf = async ({ resourceId }: NewAgent) =>
  ((await find(resourceId)) as ClientAgent | undefined)?.signingSecrets;

/** A database on which something else happens after so many statements. */
function interrupted(after: number, happens: () => Promise<unknown>): Database {
  let statements = 0;
  return {
    ...db,
    async run(statement) {
      const rows = await db.run(statement);
      if (++statements === after) await happens();
      return rows;
    },
  };
}

describe("putting an agent", () => {
  test("makes it, then replaces it as a whole", async () => {
    const config = { baseUrl: "https://a.example.com", model: "m", temperature: 0.5, budget: { tokens: 1 } };
    const agent = newAiAgent({ config, userId: OWNER });
    expect(await done(put(agent))).toMatchObject({ created: true, config, userId: OWNER, secret: null });
    const next = {
      ...agent,
      name: "another",
      userId: null,
      config: { baseUrl: "https://b.example.com", model: "n" },
    };
    expect(await done(put(next))).toMatchObject({ created: false, name: "another", userId: null });
    const { createdAt, updatedAt, ...stored } = (await readStored(db, agent.resourceId, null))!;
    expect(stored).toMatchObject({ config: next.config, kind: "ai_agent" });
    expect(updatedAt.getTime()).toBeGreaterThan(createdAt.getTime());
  });

  test("keeps nothing of a secret but its ciphertext, in no table", async () => {
    const [key, secret] = ["sk-canary-1", signingSecret("c")];
    await put(newAiAgent({ secret: key }));
    const client = newClientAgent({ secret });
    await put(client);
    await put({ ...client, secret: signingSecret("d") });
    const dump = JSON.stringify([await db.sql`select * from jobsvc.agents`, await everything(db)]);
    for (const text of [key, secret, signingSecret("d")])
      for (const form of [
        text,
        Buffer.from(text).toString("base64").replace(/=+$/, ""),
        Buffer.from(text).toString("hex"),
      ])
        expect(dump).not.toContain(form);
    expect(dump).toContain("v1.");
  });
});

describe("the secret of an AI agent", () => {
  const agent = newAiAgent({ secret: "sk-1" });
  const moved = (baseUrl: string) => ({ ...agent, config: { baseUrl, model: "m" } });

  test("stays until another is sent, and goes with null", async () => {
    await put(agent);
    await put({ ...agent, secret: undefined, name: "renamed" });
    expect(await apiKeyOf(agent)).toBe("sk-1");
    await put({ ...agent, secret: "sk-2" });
    expect(await apiKeyOf(agent)).toBe("sk-2");
    expect((await readStored(db, agent.resourceId, null))!.previousSecret).toBeNull();
    await put({ ...agent, secret: null });
    expect(await apiKeyOf(agent)).toBeNull();
    await put({ ...agent, secret: undefined });
    expect(await apiKeyOf(agent)).toBeNull();
  });

  test.each([
    "https://evil.example.com/v1",
    "http://models.example.com/v1",
    "https://models.example.com:8443/v1",
  ])("does not go along to %s: it has to be sent again, by somebody who knows it", async (baseUrl) => {
    await put(agent);
    const before = await everything(db);
    expect(await put({ ...moved(baseUrl), secret: undefined })).toBe("api_key_for_elsewhere");
    expect(await everything(db)).toEqual(before);
    await done(put({ ...moved(baseUrl), secret: "sk-1" }));
    await done(put({ ...moved("https://models.example.com/v1"), secret: null }));
    await done(put({ ...moved(baseUrl), secret: undefined }));
  });

  test("stays where only the path or the model change", async () => {
    await put(agent);
    await done(put({ ...moved("https://MODELS.example.com:443/v2/"), secret: undefined }));
    expect(await apiKeyOf(agent)).toBe("sk-1");
  });
});

describe("the secret of a client's agent", () => {
  const [one, two, three] = ["1", "2", "3"].map((letter) => signingSecret(letter)) as [
    string,
    string,
    string,
  ];
  const agent = newClientAgent({ secret: one });

  test("must be there", async () => {
    expect(await put({ ...agent, secret: undefined })).toBe("signing_secret_missing");
    expect(await readStored(db, agent.resourceId, null)).toBeUndefined();
    await put(agent);
    await done(put({ ...agent, secret: undefined, config: { url: "https://elsewhere.example.com" } }));
    expect(await signingSecretsOf(agent)).toEqual([one]);
  });

  test("signs on beside the next one, for a day", async () => {
    await put(agent);
    const { previousSecretUntil } = await done(put({ ...agent, secret: two }));
    expect(previousSecretUntil!.getTime() - Date.now()).toBeWithin(DAY_MS - 60_000, DAY_MS + 60_000);
    expect(await signingSecretsOf(agent)).toEqual([two, one]);
    await db.sql`update jobsvc.agents set previous_secret_until = now()`;
    expect(await signingSecretsOf(agent)).toEqual([two]);
    expect((await readStored(db, agent.resourceId, null))!.previousSecretUntil).toBeNull();
  });

  test("is not rotated by the same one once more, nor by what says nothing of it", async () => {
    await put(agent);
    const rotated = await done(put({ ...agent, secret: two }));
    for (const secret of [two, undefined, two]) {
      const again = await done(put({ ...agent, secret }));
      expect(again.previousSecretUntil).toEqual(rotated.previousSecretUntil);
      expect(await signingSecretsOf(agent)).toEqual([two, one]);
    }
  });

  test("there are never more than two", async () => {
    await put(agent);
    for (const secret of [two, three]) await put({ ...agent, secret });
    expect(await signingSecretsOf(agent)).toEqual([three, two]);
    await put({ ...agent, secret: two });
    expect(await signingSecretsOf(agent)).toEqual([two, three]);
  });

  test("that nobody can read any more is replaced without a trace", async () => {
    await put(agent, null, secrets([secretsKey("lost")]));
    await done(put({ ...agent, secret: two }));
    expect(await signingSecretsOf(agent)).toEqual([two]);
  });
});

test("an agent that becomes one of another kind takes no secret along", async () => {
  const ai = newAiAgent({ secret: "sk-1" });
  await put(ai);
  const client = newClientAgent({ resourceId: ai.resourceId, secret: undefined });
  expect(await put(client)).toBe("signing_secret_missing");
  await put({ ...client, secret: signingSecret("a") });
  expect(await signingSecretsOf(client)).toEqual([signingSecret("a")]);
  await put({ ...client, secret: signingSecret("b") });
  await put({ ...ai, secret: undefined });
  expect(await apiKeyOf(ai)).toBeNull();
  expect((await readStored(db, ai.resourceId, null))!.previousSecret).toBeNull();
});

test("without a key for secrets none is taken in, and agents without one are", async () => {
  const none = secrets([]);
  expect(await put(newAiAgent({ secret: "sk-1" }), null, none)).toBe("no_secrets_key");
  expect(await put(newClientAgent(), null, none)).toBe("no_secrets_key");
  expect(await db.sql`select from jobsvc.agents`).toHaveLength(0);
  await done(put(newAiAgent(), null, none));
});

describe("somebody who is bound to a user", () => {
  test("puts, and deletes, that user's agents", async () => {
    const own = newAiAgent({ userId: OWNER });
    await done(put(own, OWNER));
    await done(put({ ...own, name: "renamed" }, OWNER));
    expect(await deleteAgent(db, own.resourceId, OWNER)).toMatchObject({ name: "renamed" });
  });

  test("finds nothing where the agent is somebody else's, or everybody's, and changes nothing", async () => {
    for (const userId of [FOREIGNER, null]) {
      const foreign = newAiAgent({ userId, secret: "sk-1" });
      await put(foreign);
      const before = await everything(db);
      expect(await put({ ...foreign, userId: OWNER, secret: null }, OWNER)).toBe("not_found");
      expect(await readStored(db, foreign.resourceId, OWNER)).toBeUndefined();
      expect(await deleteAgent(db, foreign.resourceId, OWNER)).toBeUndefined();
      expect(await everything(db)).toEqual(before);
    }
    expect(await listAgents(db, { userId: OWNER }, { limit: 10 })).toEqual([]);
  });
});

describe("when two put the same agent at once", () => {
  test("the later one is put over the earlier, and none is lost", async () => {
    const agent = newClientAgent();
    const letters = [..."abcdefgh"];
    const answers = await Promise.all(
      letters.map((letter) => done(put({ ...agent, secret: signingSecret(letter) }))),
    );
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    const [last, before] = (await signingSecretsOf(agent))!;
    const sent = letters.map((letter) => signingSecret(letter));
    expect(sent).toContain(last!);
    expect(sent.filter((secret) => secret !== last)).toContain(before!);
  });

  test("one that comes between looking and making is seen", async () => {
    const agent = newClientAgent({ secret: signingSecret("a") });
    const other = interrupted(1, () => put({ ...agent, secret: signingSecret("b") }));
    expect(await done(putAgent(other, TEST_SECRETS, agent, null))).toMatchObject({ created: false });
    expect(await signingSecretsOf(agent)).toEqual([signingSecret("a"), signingSecret("b")]);
  });

  test("one that comes between looking and changing is seen", async () => {
    const agent = newClientAgent({ secret: signingSecret("a") });
    await put(agent);
    const other = interrupted(1, () => put({ ...agent, secret: signingSecret("b") }));
    await done(putAgent(other, TEST_SECRETS, { ...agent, secret: signingSecret("c") }, null));
    expect(await signingSecretsOf(agent)).toEqual([signingSecret("c"), signingSecret("b")]);
  });

  test("one that was deleted meanwhile does not come back with its old secret", async () => {
    const agent = newClientAgent();
    await put(agent);
    const other = interrupted(1, () => deleteAgent(db, agent.resourceId, null));
    expect(await putAgent(other, TEST_SECRETS, { ...agent, secret: undefined }, null)).toBe(
      "signing_secret_missing",
    );
  });

  test("one that was given to another user meanwhile is not there any more", async () => {
    const agent = newAiAgent({ userId: OWNER });
    await put(agent);
    const other = interrupted(1, () => put({ ...agent, userId: FOREIGNER }));
    expect(await putAgent(other, TEST_SECRETS, agent, OWNER)).toBe("not_found");
    expect((await readStored(db, agent.resourceId, null))!.userId).toBe(FOREIGNER);
  });

  test("one that was made by another user meanwhile is not there", async () => {
    const agent = newAiAgent({ userId: OWNER });
    const other = interrupted(1, () => put({ ...agent, userId: FOREIGNER }));
    expect(await putAgent(other, TEST_SECRETS, agent, OWNER)).toBe("not_found");
  });

  test("a statement that was sent twice, for its connection broke, puts once", async () => {
    const twice: Database = {
      ...db,
      async run(statement) {
        await db.run(statement);
        return await db.run(statement);
      },
    };
    const agent = newClientAgent({ secret: signingSecret("a") });
    await done(putAgent(twice, TEST_SECRETS, agent, null));
    await done(putAgent(twice, TEST_SECRETS, { ...agent, secret: signingSecret("b") }, null));
    expect(await signingSecretsOf(agent)).toEqual([signingSecret("b"), signingSecret("a")]);
  });
});

describe("a list of agents", () => {
  test("is read page by page, in the order of their ids, by kind", async () => {
    const agents = [...Array.from({ length: 5 }, () => newAiAgent()), newClientAgent()];
    for (const agent of agents) await put(agent);
    const all = agents.map(({ resourceId }) => resourceId).sort();
    const page = async (kind: NewAgent["kind"] | undefined, limit: number, after?: string) =>
      (await listAgents(db, { kind, userId: null }, { limit, after })).map(({ resourceId }) => resourceId);
    expect(await page(undefined, 4)).toEqual(all.slice(0, 4));
    expect(await page(undefined, 4, all[3])).toEqual(all.slice(4));
    expect(await page("client_agent", 10)).toEqual([agents.at(-1)!.resourceId]);
    expect(await page("ai_agent", 10)).toHaveLength(5);
  });
});
