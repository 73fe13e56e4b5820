import { answersInParts } from "./behaviours.ts";
import { type Behaviour, type Call, type FakeServer, fakeServer } from "./fake_server.ts";

/** What a caller asks of it, as far as a test looks. */
export interface ChatRequest {
  model: string;
  messages: { role: string; content: unknown }[];
  stream: boolean;
  [option: string]: unknown;
}

/** Speaks like OpenAI's chat completions. The key of a call is the text of its last message. */
export function modelServer(): Promise<FakeServer> {
  return fakeServer((call) => String(chatRequest(call).messages.at(-1)?.content), says("Hello", " world"));
}

export function chatRequest(call: Call): ChatRequest {
  return JSON.parse(call.body) as ChatRequest;
}

export const EVENT_STREAM = { "content-type": "text/event-stream" };

/** One event of the stream. */
export function event(value: unknown): string {
  return `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
}

function chunk(more: object): string {
  return event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "fake-1", ...more });
}

/** A piece of the answer. */
export function piece(content: string): string {
  return chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
}

/** The end of the answer; without usage the server tells none. */
export function ending(
  usage: object | null = { prompt_tokens: 12, completion_tokens: 5 },
  reason = "stop",
): string[] {
  return [
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: reason }] }),
    ...(usage ? [chunk({ choices: [], usage })] : []),
    event("[DONE]"),
  ];
}

/** Answers with these pieces. */
export function says(...pieces: string[]): Behaviour {
  return streams([...pieces.map(piece), ...ending()]);
}

/** Answers with these events, whatever they are. */
export function streams(
  events: readonly string[],
  more: { between?: () => Promise<unknown>; ends?: boolean } = {},
): Behaviour {
  return answersInParts(events, { headers: EVENT_STREAM, ...more });
}
