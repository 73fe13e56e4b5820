import { describe, expect, test } from "bun:test";
import { agentOf } from "../../src/handlers/agent_job.ts";
import { aiAgent } from "../../src/handlers/ai_agent.ts";
import { clientAgent } from "../../src/handlers/client_agent.ts";
import type { Agent } from "../../src/job/agent.ts";
import { agentParts, aiAgentAt, clientAgentAt } from "../support/called_agents.ts";
import { contextOf } from "../support/handlers.ts";
import { newSecret, receiver } from "../support/receiver.ts";

const server = await receiver();
const { job } = contextOf();
const MINE = aiAgentAt(server, {}, { userId: job.userId });
const EVERYBODYS = aiAgentAt(server);
const THEIRS = aiAgentAt(server, {}, { userId: crypto.randomUUID() });
const OF_ANOTHER_KIND = clientAgentAt(server, newSecret());

const find = (agent: Agent | undefined, unregistered: "simulate" | "fail" = "simulate") =>
  agentOf("ai_agent", job, agentParts({ findAgent: async () => agent, unregistered }));

const REFUSED = {
  name: "HandlerError",
  message: "no agent is registered for this job",
  reason: "unregistered_agent",
  retryAfter: undefined,
};

describe("the agent of a job", () => {
  test("is the one that is registered for its user, or for everybody", async () => {
    expect(await find(MINE)).toBe(MINE);
    expect(await find(EVERYBODYS, "fail")).toBe(EVERYBODYS);
  });

  test("is looked for by the resource of the job", async () => {
    const asked: string[] = [];
    const findAgent = async (resourceId: string) => void asked.push(resourceId);
    await agentOf("ai_agent", job, agentParts({ findAgent: findAgent as never }));
    expect(asked).toEqual([job.resourceId]);
  });

  test.each([
    ["of another user", THEIRS],
    ["of another kind", OF_ANOTHER_KIND],
  ])("that is %s is not told apart from one that is not there", async (_, agent) => {
    const errors = [find(agent), find(agent, "fail"), find(undefined, "fail")].map((found) =>
      found.then(
        () => expect.unreachable(),
        (error) => error,
      ),
    );
    for (const error of await Promise.all(errors)) expect(error).toMatchObject(REFUSED);
  });
});

describe("without an agent", () => {
  const kinds = { ai_agent: aiAgent, client_agent: clientAgent };
  test.each(["ai_agent", "client_agent"] as const)("a job of the kind %s is simulated", async (kind) => {
    expect(await kinds[kind](agentParts()).run(null, contextOf())).toEqual({
      simulated: true,
      duration_ms: 0,
    });
  });

  test.each(["ai_agent", "client_agent"] as const)(
    "a job of the kind %s fails if that is wished",
    async (kind) => {
      const running = kinds[kind](agentParts({ unregistered: "fail" })).run(null, contextOf());
      await expect(running as Promise<unknown>).rejects.toMatchObject(REFUSED);
    },
  );
});
