import { beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { agentFinder } from "../../src/agents/find.ts";
import { type NewAgent, putAgent } from "../../src/agents/put.ts";
import { secrets } from "../../src/agents/secrets.ts";
import type { Database } from "../../src/db/connect.ts";
import { testDatabase } from "../support/database.ts";
import { clear } from "../support/facts.ts";
import { newSecret } from "../support/receiver.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

const sealed = secrets([randomBytes(32).toString("base64")]);
const AI = { baseUrl: "https://models.example/v1", model: "small-1" };
const CLIENT = { url: "https://client.example/jobs" };

function newAgent(changes: Partial<NewAgent>): NewAgent {
  const resourceId = crypto.randomUUID();
  return { resourceId, kind: "ai_agent", userId: null, name: "it", config: AI, secret: null, ...changes };
}

async function put(changes: Partial<NewAgent>): Promise<NewAgent> {
  const agent = newAgent(changes);
  await putAgent(db, sealed, agent, null);
  return agent;
}

describe("an agent is found", () => {
  test("of a model, with its key or without one", async () => {
    const userId = crypto.randomUUID();
    const { resourceId } = await put({ userId, secret: "sk-1" });
    const keyless = await put({});
    const find = agentFinder(db, sealed);
    const [found, other] = await Promise.all([find(resourceId), find(keyless.resourceId)]);
    expect(found).toEqual({ resourceId, kind: "ai_agent", name: "it", userId, config: AI, apiKey: "sk-1" });
    expect(other).toMatchObject({ userId: null, apiKey: null });
  });

  test("of a client, with its signing secrets, the newest first", async () => {
    const [old, young] = [newSecret(), newSecret()];
    const { resourceId } = await put({ kind: "client_agent", config: CLIENT, secret: old });
    const find = agentFinder(db, sealed);
    expect(await find(resourceId)).toMatchObject({ config: CLIENT, signingSecrets: [old] });
    await put({ resourceId, kind: "client_agent", config: CLIENT, secret: young });
    expect(await find(resourceId)).toMatchObject({ signingSecrets: [young, old] });
    await db.sql`update jobsvc.agents set previous_secret_until = now()`;
    expect(await find(resourceId)).toMatchObject({ signingSecrets: [young] });
  });

  test("not, where none is registered", async () => {
    expect(await agentFinder(db, sealed)(crypto.randomUUID())).toBeUndefined();
  });

  test("and cannot be read without the key of its secret, which harms nobody who asks at the same time", async () => {
    const { resourceId } = await put({ secret: "sk-1" });
    const keyless = await put({});
    const find = agentFinder(db, secrets([randomBytes(32).toString("base64")]));
    const [failed, found] = await Promise.allSettled([find(resourceId), find(keyless.resourceId)]);
    expect(failed).toMatchObject({ status: "rejected", reason: { name: "SecretError" } });
    expect(JSON.stringify(failed)).not.toContain("sk-1");
    expect(found.status).toBe("fulfilled");
  });
});

test("a hundred jobs that start together cost two statements", async () => {
  let statements = 0;
  const counting: Database = {
    ...db,
    run(statement) {
      statements++;
      return db.run(statement);
    },
  };
  const find = agentFinder(counting, sealed);
  await Promise.all(Array.from({ length: 100 }, () => find(crypto.randomUUID())));
  expect(statements).toBeLessThanOrEqual(2);
});
