import type { IncomingMessage } from "node:http";
import { OutboundError } from "./errors.ts";

export interface AnswerLimits {
  maxBytes: number;
  /** Breaks the body off. */
  signal: AbortSignal;
}

/** Of these, a `Response` takes no body. */
const BODILESS = [101, 204, 205, 304];

/** What came, as a `Response` whose body comes as it arrives. */
export function answerOf(message: IncomingMessage, limits: AnswerLimits): Response {
  try {
    const headers = headersOf(message);
    refuseCompressed(headers);
    const status = message.statusCode ?? 0;
    const hasBody = !BODILESS.includes(status);
    if (!hasBody) message.destroy();
    return new Response(hasBody ? bodyOf(message, limits) : null, {
      status,
      statusText: message.statusMessage ?? "",
      headers,
    });
  } catch (error) {
    message.destroy();
    if (error instanceof OutboundError) throw error;
    throw new OutboundError("unreadable", "the answer has a status or a header that no answer may have");
  }
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  return headers;
}

/** Nobody asked for it, and a few bytes of it can become gigabytes. */
function refuseCompressed(headers: Headers): void {
  const encoding = headers.get("content-encoding") ?? "identity";
  const transfer = headers.get("transfer-encoding") ?? "chunked";
  if (/^identity$/i.test(encoding) && /^chunked$/i.test(transfer)) return;
  throw new OutboundError("unreadable", "the answer is compressed, although it was asked for as it is");
}

/** Comes as fast as it is read, so that no more than a little of it waits in memory. */
function bodyOf(message: IncomingMessage, { maxBytes, signal }: AnswerLimits): ReadableStream<Uint8Array> {
  const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let size = 0;

  /** Undefined at the end. Where a message breaks off the iterator throws, or just ends. */
  async function next(): Promise<Uint8Array | undefined> {
    const { value: chunk } = await chunks.next().catch(() => ({ value: undefined }));
    signal.throwIfAborted();
    if (chunk === undefined && !message.complete)
      throw new OutboundError("unreachable", "the connection broke before the answer was complete");
    size += chunk?.byteLength ?? 0;
    if (size > maxBytes) throw new OutboundError("too_large", `the answer has more than ${maxBytes} bytes`);
    return chunk;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await next();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        } catch (error) {
          message.destroy();
          controller.error(error);
        }
      },
      cancel() {
        message.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
