import { HandlerError } from "../../job/errors.ts";
import { RawJson } from "../../job/raw_json.ts";
import { excerpt } from "../refusal.ts";

/**
 * What a client answered to a call that it has taken: the JSON of the body as it stands there, or null where there is
 * none. Anything else ends the job: the work is done, and another call would have it done twice.
 */
export async function resultOf(answer: Response, secrets: readonly string[]): Promise<RawJson | null> {
  const bytes = await answer.bytes();
  if (bytes.byteLength === 0) return null;
  const text = decoded(bytes);
  if (text === undefined || !isJson(text)) {
    const said = excerpt(text ?? "bytes that are no UTF-8", secrets);
    throw new HandlerError(`the agent answered ${answer.status} with a body that is not JSON: ${said}`, {
      retryAfter: false,
      reason: "invalid_answer",
    });
  }
  return new RawJson(text);
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
