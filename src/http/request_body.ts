import { tooDeep } from "./json_text.ts";
import { pointer } from "./pointer.ts";
import { Problem } from "./problem.ts";

/** Deep enough for every honest document; what walks a value recursively is safe far beyond it. */
export const MAX_DEPTH = 64;

/** For a whole body, however steadily it drips. The server gives up on a client soon after, and without a word. */
const DEADLINE_MS = 25_000;

export interface JsonBody {
  /** As it was sent. */
  text: string;
  value: unknown;
}

/**
 * Reads a JSON body. Everything is checked in the order of its price: the headers, then the size (also of a
 * body that does not tell it), then the nesting, and only then does a parser see it. Elysia's own parsers
 * do none of this, and take bodies of any declared type.
 */
export async function readJson(request: Request, maxBytes: number): Promise<JsonBody> {
  return parseJson(await readText(request, maxBytes, [JSON_TYPE]));
}

export const JSON_TYPE = "application/json";

/** The text of a body of one of these types. */
export async function readText(
  request: Request,
  maxBytes: number,
  types: readonly string[],
): Promise<string> {
  checkHeaders(request.headers, maxBytes, types);
  return decode(await readBytes(request, maxBytes));
}

/** `envelopes` is how many levels of the text are around what may nest deeply. */
export function parseJson(text: string, envelopes = 1): JsonBody {
  checkDepth(text, MAX_DEPTH + envelopes);
  return { text, value: parseShallow(text) };
}

/** The value of a text that is known not to nest too deeply. */
export function parseShallow(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw notJson();
  }
}

export function mediaType(headers: Headers): string {
  return (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
}

function checkHeaders(headers: Headers, maxBytes: number, types: readonly string[]) {
  const [, ...parameters] = (headers.get("content-type") ?? "").toLowerCase().split(";");
  if (!types.includes(mediaType(headers)))
    throw new Problem("unsupported_media_type", `send the body with Content-Type: ${types.join(" or ")}`);
  if (!parameters.every(isUtf8OrNoCharset))
    throw new Problem("unsupported_media_type", "send the body in UTF-8, the only charset of JSON");
  if ((headers.get("content-encoding") ?? "identity").toLowerCase() !== "identity")
    throw new Problem("unsupported_media_type", "send the body uncompressed", {
      headers: { "accept-encoding": "identity" },
    });
  if (Number(headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

function isUtf8OrNoCharset(parameter: string): boolean {
  const [name, value] = parameter.split("=");
  return name?.trim() !== "charset" || /^"?utf-?8"?$/.test(value?.trim() ?? "");
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooSlow()), DEADLINE_MS);
  const reading = hasKnownLength(request.headers) ? request.bytes() : readUpTo(maxBytes, request.body);
  try {
    return await Promise.race([reading, tooLate]);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("malformed", "the body ended before it was complete");
  } finally {
    clearTimeout(timer);
  }
}

/** The server holds a client to the length that it declared, and that was checked. Read at once it costs half. */
function hasKnownLength(headers: Headers): boolean {
  return headers.has("content-length") && !headers.has("transfer-encoding");
}

async function readUpTo(maxBytes: number, body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The connection goes with it, for the rest of the body stands before the next request. */
function tooSlow(): Problem {
  return new Problem("too_slow", `the body must be here within ${DEADLINE_MS / 1_000} seconds`, {
    headers: { connection: "close" },
  });
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("too_large", `the body may have ${maxBytes} bytes`);
}

const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  try {
    return UTF_8.decode(bytes);
  } catch {
    throw new Problem("malformed", "the body is not valid UTF-8");
  }
}

function checkDepth(text: string, limit: number) {
  const found = tooDeep(text, limit);
  if (found?.closed) {
    const detail = `must not nest deeper than ${MAX_DEPTH} levels`;
    const errors = [{ pointer: found.member === undefined ? "" : pointer(found.member), detail }];
    throw new Problem("invalid", `the body ${detail}`, { errors });
  }
  if (found) throw notJson();
}

function notJson(): Problem {
  return new Problem("malformed", "the body is not JSON");
}
