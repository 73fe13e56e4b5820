import { pointer, shortened } from "./pointer.ts";
import type { FieldError } from "./problem.ts";
import { isStorable, NOT_STORABLE } from "./storable.ts";

const MAX_METADATA_BYTES = 16 * 1024;

/**
 * Metadata, unlike the payload, is parsed on its way: what would come back changed is refused. The
 * recursion is safe, because a body that nests deeply never gets here.
 */
export function metadataFaults(metadata: Record<string, unknown>, at: string): FieldError[] {
  if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES)
    return [{ pointer: at, detail: `must not be larger than ${MAX_METADATA_BYTES} bytes` }];
  return valueFaults(metadata, at);
}

function valueFaults(value: unknown, at: string): FieldError[] {
  if (typeof value === "string" && !isStorable(value)) return fault(at, NOT_STORABLE);
  if (typeof value === "number" && !isExact(value))
    return fault(at, "must be a number that every reader of JSON can hold; send it as a text");
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const below = at + pointer(name);
    return [...(isStorable(name) ? [] : fault(below, NOT_STORABLE)), ...valueFaults(member, below)];
  });
}

/** False for what was rounded: `1e400`, and integers of more digits than a double holds. */
function isExact(value: number): boolean {
  return Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
}

function fault(at: string, detail: string): FieldError[] {
  return [{ pointer: shortened(at), detail }];
}
