import { MAX_RESULT_BYTES } from "./outcome.ts";
import { RawJson } from "./raw_json.ts";
import { ResultError } from "./verdict.ts";

/** What a handler returned as JSON text; null for nothing. Throws a ResultError for what has no such text, or too long a one. */
export function resultText(output: unknown): string | null {
  if (output === undefined) return null;
  const text = output instanceof RawJson ? output.text : jsonText(output);
  if (Buffer.byteLength(text) > MAX_RESULT_BYTES) {
    throw new ResultError(`the result is larger than ${MAX_RESULT_BYTES} bytes`);
  }
  return text;
}

function jsonText(output: unknown): string {
  try {
    const text = JSON.stringify(output);
    if (text === undefined) throw new TypeError(`a ${typeof output} has no JSON form`);
    return text;
  } catch (error) {
    throw new ResultError("the result cannot be written as JSON", { cause: error });
  }
}
