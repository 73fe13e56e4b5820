import { OutboundError } from "../../outbound/errors.ts";
import type { GuardedFetch } from "../../outbound/guarded_fetch.ts";
import { beginningOf } from "../beginning.ts";
import { refusalError } from "../refusal.ts";
import { errorText } from "./chunk.ts";

/** A mebibyte of text comes in a quarter of a million events, and each repeats what all have in common. */
const MAX_STREAM_BYTES = 128 * 1024 * 1024;
/** The library gathers an event before it hands it out. One may hold a whole answer, with every character escaped. */
const MAX_EVENT_BYTES = 8 * 1024 * 1024;

/** The library adds some that tell of this machine, and some from the environment, which is nobody's business there. */
const SENT_HEADERS = ["accept", "content-type"];

/** Worth another try, as all that begins with 5 is. */
const PASSING_STATUSES = [408, 409, 429];

export interface ChatFetch {
  fetch: GuardedFetch;
  /** An event was handed out: another may begin. */
  handedOut(): void;
}

/**
 * The fetch for the client library: it sends only what is needed, takes in only what memory can hold, and throws what
 * becomes of the attempt when the answer is a refusal.
 */
export function chatFetch(fetch: GuardedFetch, apiKey: string | null): ChatFetch {
  let gathered = 0;

  function limited(body: ReadableStream<Uint8Array>) {
    return body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(bytes, controller) {
          gathered += bytes.byteLength;
          if (gathered > MAX_EVENT_BYTES)
            throw new OutboundError(
              "too_large",
              `an event of the answer has more than ${MAX_EVENT_BYTES} bytes`,
            );
          controller.enqueue(bytes);
        },
      }),
    );
  }

  return {
    handedOut() {
      gathered = 0;
    },
    async fetch(url, init = {}) {
      const headers = headersOf(new Headers(init.headers), apiKey);
      const answer = await fetch(url, { ...init, headers, maxBytes: MAX_STREAM_BYTES });
      if (!answer.ok) throw await refusalOf(answer, apiKey);
      return new Response(answer.body && limited(answer.body), answer);
    },
  };
}

function headersOf(given: Headers, apiKey: string | null): Headers {
  const headers = new Headers({ "user-agent": "jobsvc" });
  for (const name of SENT_HEADERS) headers.set(name, given.get(name) ?? "");
  if (apiKey !== null) headers.set("authorization", `Bearer ${apiKey}`);
  return headers;
}

async function refusalOf(answer: Response, apiKey: string | null) {
  const { status, headers } = answer;
  return refusalError({
    who: "the model's server",
    status,
    headers,
    text: errorText(await beginningOf(answer)),
    secrets: apiKey === null ? [] : [apiKey],
    again: status >= 500 || PASSING_STATUSES.includes(status),
  });
}
