import { callbackTokens } from "../../src/access/callback_tokens.ts";
import type { NewAgent } from "../../src/agents/put.ts";
import { secrets } from "../../src/agents/secrets.ts";

/** 32 bytes of one letter, as the settings take them. */
export const secretsKey = (letter: string) => Buffer.alloc(32, letter).toString("base64");

export const TEST_SECRETS = secrets([secretsKey("k")]);
export const TEST_TOKENS = callbackTokens([secretsKey("k")]);

export const signingSecret = (letter: string, bytes = 32) =>
  `whsec_${Buffer.alloc(bytes, letter).toString("base64")}`;

/** An AI agent without a secret, under an id of its own. */
export function newAiAgent(changes: Partial<NewAgent> = {}): NewAgent {
  return {
    resourceId: crypto.randomUUID(),
    kind: "ai_agent",
    userId: null,
    name: "the summariser",
    config: { baseUrl: "https://models.example.com/v1", model: "small-1" },
    secret: undefined,
    ...changes,
  };
}

export function newClientAgent(changes: Partial<NewAgent> = {}): NewAgent {
  return {
    resourceId: crypto.randomUUID(),
    kind: "client_agent",
    userId: null,
    name: "the shop",
    config: { url: "https://shop.example.com/jobs" },
    secret: signingSecret("s"),
    ...changes,
  };
}

/** The same, as they are sent. */
export const AI_AGENT_BODY = {
  resource_type: "ai_agent",
  name: "the summariser",
  base_url: "https://models.example.com/v1",
  model: "small-1",
};

export const CLIENT_AGENT_BODY = {
  resource_type: "client_agent",
  name: "the shop",
  url: "https://shop.example.com/jobs",
  signing_secret: signingSecret("s"),
};
