import { beforeEach, describe, expect, test } from "bun:test";
import { agentFinder } from "../../src/agents/find.ts";
import { type NewAgent, putAgent } from "../../src/agents/put.ts";
import { rotateSecrets } from "../../src/agents/rotate.ts";
import { prefixOf, SecretError, type Secrets, secrets } from "../../src/agents/secrets.ts";
import type { Database } from "../../src/db/connect.ts";
import { newAiAgent, newClientAgent, secretsKey, signingSecret } from "../support/agents.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";

const db = await testDatabase();
const [OLD, NEW] = [secretsKey("o"), secretsKey("n")];
/** Before, on the way, and after. */
const [old, both, young] = [secrets([OLD]), secrets([NEW, OLD]), secrets([NEW])];

beforeEach(() => clear(db));

async function put(agent: NewAgent, sealed: Secrets = old): Promise<NewAgent> {
  await putAgent(db, sealed, agent, null);
  return agent;
}

const kept = async () =>
  (await db.sql`select secret, previous_secret from jobsvc.agents`).flatMap(({ secret, previous_secret }) =>
    [secret, previous_secret].filter((text) => text !== null),
  ) as string[];

const isNew = (text: string) => text.startsWith(prefixOf(young.keyId!));

/** A database on which something else happens before the statement of this number. */
function interrupted(before: number, happens: () => Promise<unknown>): Database {
  let statements = 0;
  return {
    ...db,
    async run(statement) {
      if (++statements === before) await happens();
      return await db.run(statement);
    },
  };
}

describe("rotating", () => {
  test("leaves nothing under the old key, and every secret as it was", async () => {
    const ai = await put(newAiAgent({ secret: "sk-1" }));
    const keyless = await put(newAiAgent());
    const client = await put(newClientAgent({ secret: signingSecret("a") }));
    await put({ ...client, secret: signingSecret("b") });
    const [{ updated_at }] = (await db.sql`select max(updated_at) as updated_at from jobsvc.agents`) as [
      { updated_at: Date },
    ];

    expect(await rotateSecrets(db, both)).toEqual({ rotated: 2, unreadable: [] });
    expect((await kept()).filter(isNew)).toHaveLength(3);
    expect(await kept()).toHaveLength(3);
    const find = agentFinder(db, young);
    expect(await find(ai.resourceId)).toMatchObject({ apiKey: "sk-1" });
    expect(await find(keyless.resourceId)).toMatchObject({ apiKey: null });
    expect(await find(client.resourceId)).toMatchObject({
      signingSecrets: [signingSecret("b"), signingSecret("a")],
    });
    // Nobody changed an agent.
    expect(await db.sql`select max(updated_at) as updated_at from jobsvc.agents`).toMatchObject([
      { updated_at },
    ]);
    expect(await rotateSecrets(db, both)).toEqual({ rotated: 0, unreadable: [] });
  });

  test("takes more than one batch, and many at once do the work of one", async () => {
    const agents = await Promise.all(Array.from({ length: 450 }, () => put(newAiAgent({ secret: "sk-1" }))));
    const rotations = await Promise.all([1, 2, 3].map(() => rotateSecrets(db, both)));
    expect(rotations.reduce((sum, { rotated }) => sum + rotated, 0)).toBe(agents.length);
    expect((await kept()).every(isNew)).toBe(true);
    expect(await agentFinder(db, young)(agents[7]!.resourceId)).toMatchObject({ apiKey: "sk-1" });
  });

  test("forgets previous secrets whose time is over, readable or not", async () => {
    const client = await put(newClientAgent(), secrets([secretsKey("lost")]));
    await db.sql`update jobsvc.agents set previous_secret = secret, previous_secret_until = now()`;
    await db.sql`update jobsvc.agents set secret = ${old.encrypt(signingSecret("b"), client.resourceId)}`;
    expect(await rotateSecrets(db, both)).toEqual({ rotated: 1, unreadable: [] });
    expect(await kept()).toHaveLength(1);
    expect(await agentFinder(db, young)(client.resourceId)).toMatchObject({
      signingSecrets: [signingSecret("b")],
    });
  });

  test("names whom it cannot read, leaves them as they are, and goes on with the others", async () => {
    const lost = await put(newAiAgent({ secret: "sk-1" }), secrets([secretsKey("lost")]));
    const fine = await put(newAiAgent({ secret: "sk-2" }));
    const before = await db.sql`select secret from jobsvc.agents where resource_id = ${lost.resourceId}`;
    expect(await rotateSecrets(db, both)).toEqual({ rotated: 1, unreadable: [lost.resourceId] });
    expect(await db.sql`select secret from jobsvc.agents where resource_id = ${lost.resourceId}`).toEqual(
      before,
    );
    expect(await agentFinder(db, young)(fine.resourceId)).toMatchObject({ apiKey: "sk-2" });
  });

  test("needs a key", async () => {
    expect(await rotateSecrets(db, secrets([])).catch((error) => error)).toBeInstanceOf(SecretError);
  });
});

describe("while others change agents", () => {
  const agent = newAiAgent({ secret: "sk-1" });
  const WRITES = 2;

  test.each([
    ["with the old key", old],
    ["with the new one", both],
  ])("a secret that is replaced meanwhile, %s, is not overwritten", async (_, sealed) => {
    await put(agent);
    const other = interrupted(WRITES, () => put({ ...agent, secret: "sk-2" }, sealed));
    await rotateSecrets(other, both);
    expect(await agentFinder(db, young)(agent.resourceId)).toMatchObject({ apiKey: "sk-2" });
  });

  test("one that is deleted meanwhile stays away", async () => {
    await put(agent);
    const gone = () => db.sql`delete from jobsvc.agents`.then(() => {});
    expect(await rotateSecrets(interrupted(WRITES, gone), both)).toEqual({ rotated: 0, unreadable: [] });
    expect(await kept()).toEqual([]);
  });

  test("a statement that was sent twice, for its connection broke, counts once", async () => {
    await put(agent);
    const twice: Database = {
      ...db,
      async run(statement) {
        await db.run(statement);
        return await db.run(statement);
      },
    };
    expect(await rotateSecrets(twice, both)).toEqual({ rotated: 1, unreadable: [] });
  });
});
