import { tooDeep } from "./json_text.ts";
import { shortened } from "./pointer.ts";
import { type FieldError, Problem } from "./problem.ts";
import { MAX_DEPTH } from "./request_body.ts";

const MAX_PAYLOAD_BYTES = 256 * 1024;

/** A payload may come as a text with quotes and line ends escaped, which doubles it at worst; the rest is the envelope. */
export const MAX_JOB_BYTES = 2 * MAX_PAYLOAD_BYTES + 64 * 1024;

/** The payload as JSON text, byte for byte: the content of a text, or the very characters of any other value. */
export function payloadText(sent: unknown, characters: string | undefined): string {
  return typeof sent === "string" ? sent : (characters ?? "null");
}

/** What is wrong with a payload that was sent so, and whose JSON is this text. */
export function payloadFaults(
  sent: unknown,
  text: string,
  check: (payload: unknown) => FieldError[],
): FieldError[] {
  if (Buffer.byteLength(text) > MAX_PAYLOAD_BYTES) {
    const detail = `must not be larger than ${MAX_PAYLOAD_BYTES} bytes`;
    throw new Problem("too_large", `the payload ${detail}`, { errors: [{ pointer: "/payload", detail }] });
  }
  // What came as itself has been parsed with the body around it, and its depth was looked at there.
  if (typeof sent !== "string") return check(sent).map(belowPayload);
  if (!text.isWellFormed()) return fault("must be well-formed Unicode");
  if (tooDeep(text, MAX_DEPTH)) return fault(`must not nest deeper than ${MAX_DEPTH} levels`);
  try {
    return check(JSON.parse(text)).map(belowPayload);
  } catch (error) {
    if (error instanceof SyntaxError) return fault("must hold JSON");
    throw error;
  }
}

function fault(detail: string): FieldError[] {
  return [{ pointer: "/payload", detail }];
}

function belowPayload({ pointer, detail }: FieldError): FieldError {
  return { pointer: shortened(`/payload${pointer}`), detail };
}
