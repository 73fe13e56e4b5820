import { writeSync } from "node:fs";

export interface Output {
  write(line: string): void;
  /** Writes what waits, as far as the reader takes it now. */
  flush(): void;
  /** Writes what waits, and gives a reader that is behind a last chance. */
  close(): void;
}

/** Takes as many bytes as go at once, and answers how many: none when the reader is behind. Throws when it has gone. */
export type Write = (bytes: Uint8Array) => number;

/** More than this is not collected before it is written, so that a burst of lines stays a small part of memory. */
const MOST_COLLECTED_CHARACTERS = 64 * 1024;

/** Twenty thousand lines or so are kept for a reader that is behind. What comes then is dropped, and counted. */
const MOST_KEPT_CHARACTERS = 4 * 1024 * 1024;

/** A full pipe is tried again soon, and ever less often while nobody reads. */
const SHORTEST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 100;

/** So long does the end of the process wait for a reader that takes nothing. */
const LAST_PATIENCE_MS = 1_000;

const LINE_END = 10;

let dropped = 0;

/** How many lines of this process nobody has taken. */
export function droppedLines(): number {
  return dropped;
}

/**
 * Lines of one turn of the event loop are written together at its end: a write for each line would cost a busy
 * worker more than the work of the line itself. What still waits when the process exits is written then.
 *
 * Nobody waits for the reader: a service whose log is not read still does its work. `onDropped` is told how many lines
 * that cost, once there is room again.
 */
export function output(write: Write = stdout(), onDropped: (lines: number) => void = () => {}): Output {
  let collected = "";
  /** What the reader has not taken yet, before what is collected. */
  let kept: Uint8Array = new Uint8Array();
  let droppedHere = 0;
  let trying: NodeJS.Timeout | undefined;
  let pauseMs = SHORTEST_PAUSE_MS;

  /** Answers whether all is written. */
  function writeAll(): boolean {
    while (kept.length > 0 || collected !== "") {
      if (kept.length === 0) [kept, collected] = [Buffer.from(collected), ""];
      const taken = writeSome();
      if (taken === 0) return false;
      kept = kept.subarray(taken);
      pauseMs = SHORTEST_PAUSE_MS;
    }
    return true;
  }

  function writeSome(): number {
    try {
      return write(kept);
    } catch {
      // The reader has gone, or the disk is full: a service that cannot tell of its work still does it.
      dropped += kept.reduce((lines, byte) => (byte === LINE_END ? lines + 1 : lines), 0);
      return kept.length;
    }
  }

  function flush() {
    clearTimeout(trying);
    trying = undefined;
    if (!writeAll()) {
      trying = setTimeout(flush, pauseMs).unref();
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    } else if (droppedHere > 0) {
      const lines = droppedHere;
      droppedHere = 0;
      onDropped(lines);
    }
  }

  function finish() {
    let sinceMs = performance.now();
    for (let left = kept.length; !writeAll() && performance.now() - sinceMs < LAST_PATIENCE_MS; ) {
      if (kept.length !== left) [left, sinceMs] = [kept.length, performance.now()];
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SHORTEST_PAUSE_MS);
    }
  }

  process.on("exit", finish);
  return {
    write(line) {
      if (trying && collected.length > MOST_KEPT_CHARACTERS) {
        dropped++;
        droppedHere++;
        return;
      }
      if (collected === "" && !trying) setImmediate(flush);
      collected += line;
      if (collected.length > MOST_COLLECTED_CHARACTERS && !trying) flush();
    },
    flush,
    close() {
      finish();
      clearTimeout(trying);
      process.off("exit", finish);
    },
  };
}

/**
 * Not `process.stdout.write`, which loses at exit what a pipe has not taken yet, and not pino's own destination,
 * which sleeps a tenth of a second whenever a pipe is full. But to have looked at `process.stdout` is what makes a pipe
 * or a socket refuse what does not fit, instead of holding up whoever writes.
 */
function stdout(): Write {
  const { fd } = process.stdout;
  return (bytes) => {
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      if ((error as { code?: unknown }).code === "EAGAIN") return 0;
      throw error;
    }
  };
}
