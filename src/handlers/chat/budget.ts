import type { AiAgentConfig } from "../../job/agent.ts";
import { HandlerError } from "../../job/errors.ts";
import type { Usage } from "../../job/usage.ts";
import { costOf } from "./meter.ts";

const NOTHING: Usage = { input_tokens: 0, output_tokens: 0 };

/**
 * How many tokens a call may answer with: what the agent allows, or less if the budget of the job leaves less; undefined
 * for as many as the model likes. Throws when the budget leaves nothing: the job is not tried again.
 *
 * `used` is what earlier attempts have used up, `inputTokens` what this call asks, by estimate.
 */
export function allowedTokens(
  { maxTokens, budget, price }: Pick<AiAgentConfig, "maxTokens" | "budget" | "price">,
  used: Usage | null,
  inputTokens: number,
): number | undefined {
  const { input_tokens, output_tokens, cost = 0 } = used ?? NOTHING;
  const limits = [maxTokens ?? Number.POSITIVE_INFINITY];
  if (budget?.tokens !== undefined) limits.push(budget.tokens - input_tokens - output_tokens - inputTokens);
  if (budget?.cost !== undefined && price) {
    const left = budget.cost - cost - costOf({ input_tokens: inputTokens, output_tokens: 0 }, price);
    limits.push(tokensFor(left, price));
  }
  const most = Math.min(...limits);
  if (most < 1) throw exceeded(budget);
  return Number.isFinite(most) ? most : undefined;
}

function tokensFor(money: number, price: NonNullable<AiAgentConfig["price"]>): number {
  if (money < 0) return 0;
  const perToken = costOf({ input_tokens: 0, output_tokens: 1 }, price);
  return perToken === 0 ? Number.POSITIVE_INFINITY : Math.floor(money / perToken);
}

function exceeded(budget: AiAgentConfig["budget"]): HandlerError {
  const parts = [
    budget?.tokens !== undefined && `${budget.tokens} tokens`,
    budget?.cost !== undefined && `a cost of ${budget.cost}`,
  ];
  const text = parts.filter((part) => part !== false).join(" and ");
  return new HandlerError(`the job's budget of ${text} leaves nothing for another call`, {
    retryAfter: false,
    reason: "budget_exceeded",
  });
}
