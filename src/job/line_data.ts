/** What one attempt may leave in the database: a long conversation with a model, word by word. */
export const MAX_ATTEMPT_LINES = 20_000;
export const MAX_ATTEMPT_BYTES = 8 * 1024 * 1024;

/** A chunk of a stream is far smaller; what is larger is a result, or belongs where the handler can put it. */
export const MAX_LINE_BYTES = 64 * 1024;

/** JSON text in one line, or undefined when that cannot be had or is too large. Making it never throws: whatever a handler tells, its job goes on. */
export type LineData = string | undefined;

export function progressData(percent: number, message?: string): LineData {
  if (typeof percent !== "number" || Number.isNaN(percent)) return undefined;
  const within = Math.min(100, Math.max(0, percent));
  return lineData(() => ({ percent: within, ...(message !== undefined && { message: worded(message) }) }));
}

export function logData(message: string, fields?: Record<string, unknown>): LineData {
  return lineData(() => ({ message: worded(message), ...(fields !== undefined && { fields }) }));
}

export function outputData(chunk: unknown): LineData {
  return lineData(() => ({ chunk: chunk === undefined ? null : chunk }));
}

/** Stands where lines are missing. What a handler logs cannot be taken for it: that has no such member. */
export function missingData(lines: number): string {
  const those = lines === 1 ? "a line is" : `${lines} lines are`;
  return JSON.stringify({
    message: `${those} missing here: too much, too large or not JSON`,
    dropped: lines,
  });
}

/** A handler in JavaScript may pass anything for a text. */
function worded(message: unknown): string | undefined {
  return typeof message === "string" ? message : JSON.stringify(message);
}

function lineData(make: () => Record<string, unknown>): LineData {
  try {
    const text = JSON.stringify(make());
    // A function as the only member leaves nothing.
    return text === "{}" || Buffer.byteLength(text) > MAX_LINE_BYTES ? undefined : text;
  } catch {
    return undefined;
  }
}
