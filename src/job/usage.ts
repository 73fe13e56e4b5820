/** What was used up of a model, in the form in which it is stored and answered. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  /** In the currency of the price; left out where no price is known. */
  cost?: number;
  /** Counted by the length of the texts, because the server of the model told nothing. */
  estimated?: boolean;
}

/** All of them together; null when there is none. */
export function sumOfUsage(usages: readonly (Usage | null)[]): Usage | null {
  const known = usages.filter((usage) => usage !== null);
  if (known.length === 0) return null;
  const costs = known.flatMap(({ cost }) => cost ?? []);
  return {
    input_tokens: sum(known.map((usage) => usage.input_tokens)),
    output_tokens: sum(known.map((usage) => usage.output_tokens)),
    ...(costs.length > 0 && { cost: rounded(sum(costs)) }),
    ...(known.some(({ estimated }) => estimated) && { estimated: true }),
  };
}

/** What a handler says it has used up, as far as it can be counted: any code may say anything. */
export function readUsage(told: Partial<Usage> | null | undefined): Usage {
  const cost = counted(told?.cost);
  return {
    input_tokens: counted(told?.input_tokens) ?? 0,
    output_tokens: counted(told?.output_tokens) ?? 0,
    ...(cost !== undefined && { cost: rounded(cost) }),
    ...(told?.estimated === true && { estimated: true }),
  };
}

function counted(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** To a billionth: a token costs a millionth or so, and what is left of binary fractions is nobody's business. */
function rounded(cost: number): number {
  return Math.round(cost * 1e9) / 1e9;
}
