import type { IncomingMessage } from "node:http";
import { OutboundError, outboundError } from "./errors.ts";

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
  if (encoding.trim().toLowerCase() === "identity") return;
  throw new OutboundError("unreadable", "the answer is compressed, although it was asked for as it is");
}

/** Reads as fast as its reader, so that no more than a little of it waits in memory. */
function bodyOf(message: IncomingMessage, { maxBytes, signal }: AnswerLimits): ReadableStream<Uint8Array> {
  const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let size = 0;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          // A body that is broken off ends as if it were complete.
          signal.throwIfAborted();
          if (done) return controller.close();
          size += value.byteLength;
          if (size > maxBytes)
            throw new OutboundError("too_large", `the answer has more than ${maxBytes} bytes`);
          controller.enqueue(value);
        } catch (error) {
          message.destroy();
          controller.error(signal.aborted ? signal.reason : outboundError(error));
        }
      },
      cancel() {
        message.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
