import { type Static, Type } from "@sinclair/typebox";
import * as field from "./agent_fields.ts";
import { nullable, uuid, word } from "./schemas.ts";

/** Visible ASCII: a line break would begin another header. */
export const API_KEY_PATTERN = "^[!-~]{1,4096}$";
/** 24 to 64 bytes in base64; how many exactly is seen when they are decoded. */
export const SIGNING_SECRET_PATTERN = "^whsec_[A-Za-z0-9+/]{32,86}={0,2}$";
export const SIGNING_SECRET_FORM = "whsec_ and 24 to 64 bytes in base64";

const OF_ALL = {
  name: field.NAME,
  user_id: Type.Optional(
    nullable(
      uuid(),
      "The one user whose jobs may use it; null for everybody's. Left out with a key that is bound to a user: that user.",
    ),
  ),
};

export const NewAiAgent = Type.Object(
  {
    resource_type: word(["ai_agent"]),
    ...OF_ALL,
    base_url: field.BASE_URL,
    model: field.MODEL,
    instructions: Type.Optional(field.INSTRUCTIONS),
    temperature: Type.Optional(field.TEMPERATURE),
    max_tokens: Type.Optional(field.MAX_TOKENS),
    budget: Type.Optional(field.BUDGET),
    price: Type.Optional(field.PRICE),
    timeout_ms: Type.Optional(field.TIMEOUT_MS),
    api_key: Type.Optional(
      nullable(
        Type.String({ pattern: API_KEY_PATTERN }),
        "Sent as a bearer token, and never answered. Left out, the one that is kept stays; null takes it away.",
      ),
    ),
  },
  { $id: "NewAiAgent", additionalProperties: false, description: "A model behind an API like OpenAI's." },
);

export const NewClientAgent = Type.Object(
  {
    resource_type: word(["client_agent"]),
    ...OF_ALL,
    url: field.URL_FIELD,
    signing_secret: Type.Optional(
      Type.String({
        pattern: SIGNING_SECRET_PATTERN,
        description:
          "Signs what is sent (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64. Never answered. Left out, " +
          "the one that is kept stays; one that is replaced signs beside the new one for a day.",
      }),
    ),
  },
  {
    $id: "NewClientAgent",
    additionalProperties: false,
    description: "A client that takes jobs in as webhooks.",
  },
);

export type NewAiAgent = Static<typeof NewAiAgent>;
export type NewClientAgent = Static<typeof NewClientAgent>;

export const NewAgentBody = Type.Union([NewAiAgent, NewClientAgent], {
  $id: "NewAgent",
  description: "An agent as it is to be.",
  examples: [
    {
      resource_type: "ai_agent",
      name: "the summariser",
      base_url: "https://models.example.com/v1",
      model: "small-1",
      instructions: "Answer in one sentence.",
      max_tokens: 500,
    },
  ],
});
