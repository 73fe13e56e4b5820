import { APIConnectionError, APIError, OpenAI, OpenAIError } from "openai";
import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { AiAgent } from "../../job/agent.ts";
import { HandlerError } from "../../job/errors.ts";
import { MAX_RESULT_BYTES } from "../../job/outcome.ts";
import type { Usage } from "../../job/usage.ts";
import type { GuardedFetch } from "../../outbound/guarded_fetch.ts";
import type { JobContext } from "../define.ts";
import { excerpt, outboundFailure } from "../refusal.ts";
import { readChunk } from "./chunk.ts";
import { chatFetch } from "./fetch.ts";
import { type Meter, meter } from "./meter.ts";
import { gathered } from "./pieces.ts";
import type { Message } from "./prompt.ts";

export interface Call {
  agent: AiAgent;
  messages: readonly Message[];
  /** How long those are. */
  inputBytes: number;
  /** The most that the model may answer; undefined for as much as it likes. */
  maxTokens: number | undefined;
  fetch: GuardedFetch;
  context: Pick<JobContext, "signal" | "emit" | "spent">;
}

/** What becomes the job's result. The text is the model's: nobody here follows what it says. */
export interface Completion {
  text: string;
  finish_reason: string;
  model: string;
  usage: Usage;
}

/** Longer than any job may run: the job's own limit counts. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;
/** What a result holds beside its text. */
const FRAME_BYTES = 1_024;
/** Whom the documentation of the parameter is about: its newer models refuse the old name, and others know no other. */
const OPENAI_HOST = "api.openai.com";

/**
 * One call of a model. Its answer goes out in pieces while it comes, and what it has used up is told all along, so that
 * it counts if the call is broken off.
 *
 * Throws a `HandlerError` for everything that an endpoint can do wrong, with whether another try may help.
 */
export async function complete(call: Call): Promise<Completion> {
  const { agent, context, inputBytes } = call;
  const { timeoutMs, price } = agent.config;
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signal = timeout ? AbortSignal.any([context.signal, timeout]) : context.signal;
  const count = meter(inputBytes, price);
  const pieces = gathered(context.emit);
  try {
    const completion = await read(call, signal, count, pieces.add);
    // An aborted stream ends as if it were complete.
    signal.throwIfAborted();
    return completion;
  } catch (error) {
    if (timeout?.aborted && !context.signal.aborted)
      throw new HandlerError(`the call took longer than its limit of ${timeoutMs} ms`, {
        reason: "timed_out",
      });
    throw failure(error, agent.apiKey);
  } finally {
    pieces.flush();
  }
}

async function read(
  { agent, messages, maxTokens, fetch, context }: Call,
  signal: AbortSignal,
  count: Meter,
  tell: (piece: string) => void,
): Promise<Completion> {
  const guarded = chatFetch(fetch, agent.apiKey);
  const stream = await client(agent, guarded.fetch).chat.completions.create(
    request(agent, messages, maxTokens),
    { signal },
  );
  context.spent(count.usage());
  let text = "";
  let storedBytes = FRAME_BYTES;
  let model = agent.config.model;
  let finish: string | undefined;
  for await (const event of stream) {
    guarded.handedOut();
    const chunk = readChunk(event);
    storedBytes += Buffer.byteLength(JSON.stringify(chunk.text)) - 2;
    count.answered(Buffer.byteLength(chunk.text));
    if (chunk.usage) count.told(chunk.usage.input, chunk.usage.output);
    context.spent(count.usage());
    if (storedBytes > MAX_RESULT_BYTES) throw tooLarge();
    text += chunk.text;
    if (chunk.text !== "") tell(chunk.text);
    finish = chunk.finish ?? finish;
    model = chunk.model ?? model;
  }
  if (finish === undefined) throw text === "" ? noChat() : incomplete();
  return { text, finish_reason: finish, model, usage: count.usage() };
}

/** Nothing of it comes from the environment, and nothing is logged: messages and keys are not for a log. */
function client({ config, apiKey }: AiAgent, fetch: GuardedFetch): OpenAI {
  return new OpenAI({
    baseURL: config.baseUrl,
    apiKey: apiKey ?? "none",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    fetch,
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    logLevel: "off",
  });
}

function request(
  { config: { baseUrl, model, temperature } }: AiAgent,
  messages: readonly Message[],
  maxTokens: number | undefined,
): ChatCompletionCreateParamsStreaming {
  const limit = new URL(baseUrl).hostname === OPENAI_HOST ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages: messages as ChatCompletionCreateParamsStreaming["messages"],
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { [limit]: maxTokens }),
  };
}

/** What the endpoint has done wrong; any other error is a mistake of ours, and stays as it is. */
function failure(error: unknown, apiKey: string | null): unknown {
  if (error instanceof APIConnectionError) return outboundFailure(error.cause);
  if (error instanceof APIError)
    return new HandlerError(
      `the model's server broke off: ${excerpt(error.message, apiKey ? [apiKey] : [])}`,
      {
        reason: "broken_off",
      },
    );
  if (error instanceof OpenAIError || error instanceof SyntaxError) return noChat();
  return outboundFailure(error);
}

function noChat(): HandlerError {
  return new HandlerError("the answer is no stream of a chat completion", { reason: "invalid_answer" });
}

function incomplete(): HandlerError {
  return new HandlerError("the answer ended before the model had", { reason: "incomplete_answer" });
}

function tooLarge(): HandlerError {
  const message = `the answer is larger than a result may be: ${MAX_RESULT_BYTES} bytes`;
  return new HandlerError(message, { reason: "too_large", retryAfter: false });
}
