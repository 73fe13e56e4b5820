import { storedError } from "../job/errors.ts";
import { loggable } from "./text.ts";

/** An error as it stands in a log line. */
export interface LoggedError {
  type: string;
  message: string;
  /** SQLSTATE, or the system's name for the failure. */
  code?: string;
  stack?: string;
  cause?: LoggedError;
  /** The parts of an AggregateError. */
  errors?: LoggedError[];
}

const MOST_CAUSES = 5;
const MOST_PARTS = 10;

/** Takes anything that can be thrown. Of a database error it tells code and message, never the values of the query. */
export function loggedError(thrown: unknown, depth = 0): LoggedError {
  const { name, message, stack } = withoutValues(thrown);
  const code = read(thrown, "code");
  const cause = read(thrown, "cause");
  const parts = read(thrown, "errors");
  const goesOn = depth < MOST_CAUSES;
  return {
    type: loggable(name),
    message: loggable(message),
    ...(typeof code === "string" && { code: loggable(code) }),
    ...(stack !== undefined && { stack: loggable(stack) }),
    ...(goesOn && cause !== undefined && { cause: loggedError(cause, depth + 1) }),
    ...(goesOn &&
      parts && { errors: parts.slice(0, MOST_PARTS).map((part) => loggedError(part, depth + 1)) }),
  };
}

/** Drizzle writes the parameters of a failed query into its message, and so into the stack. */
function withoutValues(thrown: unknown) {
  const { name, message, stack } = storedError(thrown);
  if (read(thrown, "params") === undefined) return { name, message, stack };
  const brief = message.split("\nparams:")[0] ?? "";
  const at = stack?.indexOf(message) ?? -1;
  return { name, message: brief, stack: at < 0 ? undefined : brief + stack?.slice(at + message.length) };
}

/** Reading a property of a thrown thing may throw again. */
function read(thrown: unknown, property: "errors"): unknown[] | undefined;
function read(thrown: unknown, property: string): unknown;
function read(thrown: unknown, property: string): unknown {
  try {
    const value =
      thrown instanceof Error ? (thrown as unknown as Record<string, unknown>)[property] : undefined;
    return property === "errors" && !Array.isArray(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
