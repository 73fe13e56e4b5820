import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";

/** A job that was handed in, and its ending, or null when somebody else has ended it. */
export interface HandedIn {
  job: TakenJob;
  ending: Ending | null;
}

/**
 * At most so many endings go into one statement. While it is on its way others pile up, and go together in the next: in
 * groups of a thousand, half of the time went by waiting for disk and answers.
 */
export const MAX_GROUP = 4_000;
/** A statement that carries more might not be done within its deadline, and be tried for ever. */
const MAX_GROUP_BYTES = 8 * 1024 * 1024;

/**
 * Endings pile up while the database is away, or writes them more slowly than jobs run. From here on nothing new is taken
 * until some are written: two statements' worth, so that neither of the two ever waits for the other.
 */
const MAX_WAITING = 2 * MAX_GROUP;
/** Of results that wait here in memory. */
const MAX_WAITING_BYTES = 8 * MAX_GROUP_BYTES;

/** What was handed in and is not written yet, in that order. */
export interface Unwritten {
  readonly size: number;
  /** So many wait that no job should be taken. */
  readonly full: boolean;
  /** When the first of them came, by `performance.now()`. */
  readonly sinceMs: number;
  add(handedIn: HandedIn): void;
  /** Those from the head that fit into a statement, and at least one. */
  group(): readonly HandedIn[];
  /** Takes so many from the head: they are written. */
  remove(count: number): void;
}

/** An empty list of what was handed in. */
export function unwritten(): Unwritten {
  let waiting: HandedIn[] = [];
  let bytes = 0;
  let sinceMs = 0;

  return {
    get size() {
      return waiting.length;
    },
    get full() {
      return waiting.length >= MAX_WAITING || bytes >= MAX_WAITING_BYTES;
    },
    get sinceMs() {
      return sinceMs;
    },
    add(handedIn) {
      if (waiting.length === 0) sinceMs = performance.now();
      waiting.push(handedIn);
      bytes += bytesOf(handedIn);
    },
    group() {
      const group = waiting.slice(0, MAX_GROUP);
      let groupBytes = 0;
      const end = group.findIndex((handedIn, place) => {
        groupBytes += bytesOf(handedIn);
        return place > 0 && groupBytes > MAX_GROUP_BYTES;
      });
      return end === -1 ? group : group.slice(0, end);
    },
    remove(count) {
      for (const handedIn of waiting.slice(0, count)) bytes -= bytesOf(handedIn);
      waiting = waiting.slice(count);
    },
  };
}

/** Of its result, nearly: all else is short. */
function bytesOf({ ending }: HandedIn): number {
  return ending?.result?.length ?? 0;
}
