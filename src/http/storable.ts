import { pointer } from "./pointer.ts";
import type { FieldError } from "./problem.ts";

/** What Postgres cannot keep in a text, and so must not reach it: NUL, and half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

export const NOT_STORABLE = "must not contain NUL or a lone surrogate";

export function textFaults(texts: readonly string[], at: string): FieldError[] {
  return texts.flatMap((text, index) =>
    isStorable(text) ? [] : [{ pointer: at + pointer(index), detail: NOT_STORABLE }],
  );
}
