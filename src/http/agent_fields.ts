import { type TSchema, Type } from "@sinclair/typebox";

// What an agent is made of: each field as it is sent, and as it is answered.

const MAX_NAME_CHARACTERS = 100;
const MAX_URL_CHARACTERS = 2_048;
const MAX_MODEL_CHARACTERS = 200;
const MAX_INSTRUCTIONS_CHARACTERS = 32 * 1024;
/** Above any budget that is one. */
const MOST_TOKENS = 1_000_000_000_000;
const MOST_COST = 1_000_000_000;
const MIN_TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 24 * 60 * 60 * 1_000;

const text = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, description });

const cost = (description: string) => Type.Number({ minimum: 0, maximum: MOST_COST, description });

const tokens = (description: string) => Type.Integer({ minimum: 1, maximum: MOST_TOKENS, description });

export const NAME = text(MAX_NAME_CHARACTERS, "For people.");

/** Of a client's agent. */
export const URL_FIELD = text(MAX_URL_CHARACTERS, "Where it takes jobs in.");

// Of an AI agent.

export const BASE_URL = text(MAX_URL_CHARACTERS, "Where the endpoint is, without `/chat/completions`.");

export const MODEL = text(MAX_MODEL_CHARACTERS, "The model, as the endpoint names it.");

export const INSTRUCTIONS = text(MAX_INSTRUCTIONS_CHARACTERS, "Said to the model before the task.");

export const TEMPERATURE = Type.Number({
  minimum: 0,
  maximum: 2,
  description: "Without it, the endpoint's own.",
});

export const MAX_TOKENS = tokens("The most that one call may answer.");

export const BUDGET = Type.Object(
  {
    tokens: Type.Optional(tokens("Asked and answered together.")),
    cost: Type.Optional(cost("By the price.")),
  },
  { additionalProperties: false, description: "What a job may use up. It is looked at before each call." },
);

export const PRICE = Type.Object(
  { input: cost("For a million tokens asked."), output: cost("For a million tokens answered.") },
  { additionalProperties: false, description: "In a currency of one's choice, which is that of the budget." },
);

export const TIMEOUT_MS = Type.Integer({
  minimum: MIN_TIMEOUT_MS,
  maximum: MAX_TIMEOUT_MS,
  description: "How long one call may take.",
});

/** In an answer: what was not said is null. */
export const orNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
