import { MAX_RETRY_DELAY_MS } from "../job/retry.ts";

/**
 * When an answer wishes to be asked again, in milliseconds from now and at most a day: by `retry-after-ms`, or by
 * `retry-after` in seconds or as a date (RFC 9110, 10.2.3). Undefined where it says nothing that can be read.
 */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const wish = number(headers.get("retry-after-ms")) ?? fromRetryAfter(headers.get("retry-after"), nowMs);
  return wish === undefined ? undefined : Math.min(Math.max(wish, 0), MAX_RETRY_DELAY_MS);
}

function fromRetryAfter(text: string | null, nowMs: number): number | undefined {
  const seconds = number(text);
  if (seconds !== undefined) return seconds * 1_000;
  // Else the parser takes any number for a date.
  const date = text?.includes(":") ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : date - nowMs;
}

function number(text: string | null): number | undefined {
  return text !== null && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
