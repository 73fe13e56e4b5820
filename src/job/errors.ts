/** What of an error is kept with the attempt: enough to understand it a week later, never the whole heap. */
export interface StoredError {
  name: string;
  message: string;
  stack?: string;
  /** Why the attempt ended, in a word: `timed_out`, `crashed`, `budget_exceeded`, … */
  reason?: string;
  cause?: StoredError;
}

/** Longer texts are cut: an error column is for reading, and one hostile message must not fill a disk. */
const MAX_MESSAGE_CHARACTERS = 8 * 1024;
const MAX_STACK_CHARACTERS = 16 * 1024;
const MAX_CAUSES = 5;

/** Thrown by a handler that knows more than the curve does: when to try again, or that trying again is useless. */
export class HandlerError extends Error {
  override name = "HandlerError";
  /** Milliseconds until the next try; false for never. */
  readonly retryAfter: number | false | undefined;
  /** A word that programs can go by. */
  readonly reason: string | undefined;

  constructor(
    message: string,
    options: { retryAfter?: number | false | undefined; reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.retryAfter = options.retryAfter;
    this.reason = options.reason;
  }
}

/**
 * Thrown by a handler that has nothing to do yet: the job comes back after `ms` milliseconds, at most a year, and this
 * attempt takes none of its tries away. Throws a RangeError when `ms` is no such time.
 */
export class Snooze extends Error {
  override name = "Snooze";

  constructor(
    readonly ms: number,
    reason = "not yet",
  ) {
    super(reason);
    if (!(ms >= 0)) throw new RangeError(`a job cannot sleep for ${ms} ms`);
  }
}

/** Turns anything that can be thrown (an Error, a string, undefined, a hostile proxy) into what we store. */
export function storedError(thrown: unknown, reason?: string): StoredError {
  return { ...describe(thrown, 0), ...(reason && { reason }) };
}

/** An error again, of what is left of one: for those who expect to be thrown one. */
export function revived({ name, message, stack, cause }: StoredError): Error {
  const error = new Error(message, cause && { cause: revived(cause) });
  return Object.assign(error, { name }, stack !== undefined && { stack });
}

function describe(thrown: unknown, depth: number): StoredError {
  try {
    if (!(thrown instanceof Error))
      return { name: typeof thrown, message: storable(text(thrown), MAX_MESSAGE_CHARACTERS) };
    return {
      name: storable(String(thrown.name), 200),
      message: storable(String(thrown.message), MAX_MESSAGE_CHARACTERS),
      ...(typeof thrown.stack === "string" && { stack: storable(thrown.stack, MAX_STACK_CHARACTERS) }),
      ...(thrown.cause !== undefined && depth < MAX_CAUSES && { cause: describe(thrown.cause, depth + 1) }),
    };
  } catch {
    return { name: "unknown", message: "the handler threw something that cannot be read" };
  }
}

function text(value: unknown): string {
  if (typeof value === "string" || typeof value === "bigint") return String(value);
  return JSON.stringify(value) ?? String(value);
}

/** jsonb holds no NUL and no lone surrogate, and a reader wants no other control character but tab and newline. */
function storable(value: string, limit: number): string {
  const cut = value.length > limit ? `${value.slice(0, limit)}… (${value.length} characters)` : value;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this removes
  return cut.toWellFormed().replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
}
