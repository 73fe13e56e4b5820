import { writeSync } from "node:fs";

export interface Output {
  write(line: string): void;
  /** Writes what waits, now. */
  flush(): void;
  close(): void;
}

const STDOUT = 1;

/** More than this is not collected, so that a burst of lines stays a small part of memory. */
const MOST_WAITING_CHARACTERS = 64 * 1024;

/** How long to wait for the reader of a full pipe. */
const FULL_PIPE_PAUSE_MS = 1;

/**
 * Lines of one turn of the event loop are written together at its end: a write for each line would cost a busy
 * worker more than the work of the line itself. What still waits when the process exits is written then.
 */
export function output(write: (text: string) => void = writeToStdout): Output {
  let waiting = "";

  function flush() {
    const text = waiting;
    waiting = "";
    if (text !== "") write(text);
  }

  process.on("exit", flush);
  return {
    write(line) {
      if (waiting === "") setImmediate(flush);
      waiting += line;
      if (waiting.length > MOST_WAITING_CHARACTERS) flush();
    },
    flush,
    close() {
      flush();
      process.off("exit", flush);
    },
  };
}

/**
 * Not `process.stdout.write`, which loses at exit what a pipe has not taken yet, and not pino's own destination,
 * which sleeps a tenth of a second whenever a pipe is full.
 */
function writeToStdout(text: string) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(STDOUT, rest));
    } catch (error) {
      // The reader has gone, or the disk is full: a service that cannot tell of its work still does it.
      if ((error as { code?: unknown }).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_PAUSE_MS);
    }
  }
}
