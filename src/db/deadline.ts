/** The database did not answer in time. Whether it did the work is unknown. */
export class DeadlineError extends Error {
  override name = "DeadlineError";
}

/** A timer that rings so much too late was held up by something that kept the thread busy. */
const LATE_MS = 100;
/** Long enough to read what has come meanwhile. */
const READING_MS = 500;

/**
 * Rejects after `ms` whatever the promise does, and calls `onMissed`. What arrives later is ignored.
 *
 * A handler that blocks the thread holds up both the timer and the answer, which may have been there for long: then
 * the answer gets a moment more. Else a busy worker would take one living connection after another for dead, and write
 * no ending for as long as its handlers go on.
 */
export async function within<T>(ms: number, promise: PromiseLike<T>, onMissed: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    function wait(waitMs: number) {
      const dueMs = performance.now() + waitMs;
      timer = setTimeout(() => {
        if (performance.now() - dueMs > LATE_MS) return wait(READING_MS);
        onMissed();
        reject(new DeadlineError(`no answer from the database within ${Math.round(ms)} ms`));
      }, waitMs);
    }
    wait(ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Driver errors that mean "the connection went away", not "the statement is wrong". */
const CONNECTION_CODES = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOENT", // the socket of a server that is being restarted
  // A network or a name service that is not itself.
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
]);

/**
 * SQLSTATEs worth another try: connection trouble (08), shutdown and start-up (57P01 to 57P03), too many
 * connections, serialization failure, deadlock, lock not available, and a server that is read-only for a while.
 */
const TRANSIENT_STATES = /^(08...|57P0[123]|53300|40001|40P01|55P03|25006)$/;

/**
 * What a statement meets whose connection goes away, as opposed to one that finds no server at all; or whose connection
 * is read-only, which it may stay for as long as it lives, whatever becomes of the server.
 */
const BROKEN = /^(CONNECTION_CLOSED|CONNECT_TIMEOUT|ECONNRESET|EPIPE|57P0[12]|25006)$/;

export function isBroken(error: unknown): boolean {
  return BROKEN.test(codeOf(error) ?? "");
}

/** True when the same statement may well succeed in a moment. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (CONNECTION_CODES.has(code) || TRANSIENT_STATES.test(code));
}

/**
 * SQLSTATE classes that speak of the server, not of the statement: connection trouble, no access, no such database, out
 * of disk or memory, a lock or a time limit that was hit, an operator's doing, a failing disk.
 */
const SERVER_STATES = /^(08|28|3D|53|55|57|58)/;

/** True when the database is out of reach or not able to work, as opposed to refusing this statement. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof DeadlineError || isTransient(error) || SERVER_STATES.test(codeOf(error) ?? "");
}

/** A row with this key is there already (unique_violation). */
export function isTaken(error: unknown): boolean {
  return codeOf(error) === "23505";
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
