import type { AiAgentConfig } from "../../job/agent.ts";
import type { Usage } from "../../job/usage.ts";
import type { Message } from "./prompt.ts";

/** What a token is, on the average of many texts and models. */
const BYTES_PER_TOKEN = 4;
const PER_MILLION = 1_000_000;

/** Tokens of a text, where nobody tells how many. */
export function tokensIn(bytes: number): number {
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

export function bytesOf(messages: readonly Message[]): number {
  return messages.reduce(
    (sum, { content }) =>
      sum + Buffer.byteLength(typeof content === "string" ? content : JSON.stringify(content)),
    0,
  );
}

/** Counts what one call uses up. */
export interface Meter {
  /** A piece of the answer has come. */
  answered(bytes: number): void;
  /** The server tells how many tokens it were. */
  told(inputTokens: number, outputTokens: number): void;
  usage(): Usage;
}

/** Until the server tells it, or if it never does, usage is estimated by the length of the texts. */
export function meter(inputBytes: number, price: AiAgentConfig["price"]): Meter {
  let outputBytes = 0;
  let told: Usage | undefined;

  return {
    answered(bytes) {
      outputBytes += bytes;
    },
    told(input_tokens, output_tokens) {
      told = { input_tokens, output_tokens };
    },
    usage() {
      const usage = told ?? {
        input_tokens: tokensIn(inputBytes),
        output_tokens: tokensIn(outputBytes),
        estimated: true,
      };
      return price ? { ...usage, cost: costOf(usage, price) } : usage;
    },
  };
}

export function costOf(
  { input_tokens, output_tokens }: Usage,
  price: NonNullable<AiAgentConfig["price"]>,
): number {
  return (input_tokens * price.input + output_tokens * price.output) / PER_MILLION;
}
