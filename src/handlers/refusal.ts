import { HandlerError } from "../job/errors.ts";
import { OutboundError } from "../outbound/errors.ts";
import { retryAfterMs } from "./retry_after.ts";

/** An answer that is none. */
export interface Refusal {
  /** Who answers, as a sentence begins. */
  who: string;
  status: number;
  headers: Headers;
  /** What it has to say, as far as it matters. */
  text: string;
  /** Stand nowhere in what is stored, should the answer repeat them. */
  secrets: readonly string[];
  again: boolean;
}

const MAX_EXCERPT_CHARACTERS = 300;

/** The error of a refusal. Its reason is `status_` and the status; when it is tried again follows from its headers. */
export function refusalError({ who, status, headers, text, secrets, again }: Refusal): HandlerError {
  const said = excerpt(text, secrets);
  return new HandlerError(`${who} answered ${status}${said && `: ${said}`}`, {
    retryAfter: again ? retryAfterMs(headers, Date.now()) : false,
    reason: `status_${status}`,
  });
}

/** The beginning of somebody else's text, in one line. */
export function excerpt(text: string, secrets: readonly string[]): string {
  const known = secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  const line = known.replaceAll(/\s+/g, " ").trim();
  return line.length > MAX_EXCERPT_CHARACTERS ? `${line.slice(0, MAX_EXCERPT_CHARACTERS)}…` : line;
}

/** The next try may find another address, another certificate or a better day; but not other rules, nor less to say. */
const FINAL_REASONS = ["blocked", "too_large"];

/** The error of a call that brought no answer, or only a part of one. Any other error is a mistake, and stays as it is. */
export function outboundFailure(error: unknown): unknown {
  if (!(error instanceof OutboundError)) return error;
  const { message, reason } = error;
  return new HandlerError(message, {
    reason,
    ...(FINAL_REASONS.includes(reason) && { retryAfter: false as const }),
  });
}
