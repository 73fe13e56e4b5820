/** What one event of a streamed answer says, as far as it matters; a server may send anything at all. */
export interface Chunk {
  text: string;
  /** Why the model has stopped. */
  finish: string | undefined;
  model: string | undefined;
  usage: { input: number; output: number } | undefined;
}

export function readChunk(event: unknown): Chunk {
  const choice = member(member(event, "choices"), 0);
  const usage = member(event, "usage");
  const [input, output] = [count(member(usage, "prompt_tokens")), count(member(usage, "completion_tokens"))];
  return {
    text: text(member(member(choice, "delta"), "content")) ?? "",
    finish: text(member(choice, "finish_reason")),
    model: text(member(event, "model")),
    usage: input === undefined || output === undefined ? undefined : { input, output },
  };
}

/** What an answer that is an error says, if it says it as OpenAI does; else all that it says. */
export function errorText(body: string): string {
  try {
    return text(member(member(JSON.parse(body), "error"), "message")) ?? body;
  } catch {
    return body;
  }
}

function member(value: unknown, name: string | number): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string | number, unknown>)[name]
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}
