import type { Database } from "../db/connect.ts";
import { type Lane, readLanes } from "./lanes.ts";

export interface MarksParts {
  db: Database;
  queue: string;
  kinds: readonly string[];
  /** Marks older than this are read again. That sees everything, also what was committed late and told by nobody. */
  maxAgeMs: number;
}

/** The lanes of a queue, for one who takes from them again and again. */
export interface Marks {
  /** The lanes for a take that begins now. */
  lanes(): Promise<readonly Lane[]>;
  /**
   * Jobs that are due since then have been committed only now, so they may stand below the marks. They are seen by every
   * take from here on until the marks are read again, which is when the marks themselves stand low enough.
   */
  lookBack(sinceMs: number): void;
}

/** The low-water marks of one taker: kept for a while, because reading them wades through what takes are spared. */
export function marks({ db, queue, kinds, maxAgeMs }: MarksParts): Marks {
  let lanes: readonly Lane[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let lateSinceMs = Number.POSITIVE_INFINITY;

  return {
    async lanes() {
      if (performance.now() - readAtMs >= maxAgeMs) {
        // Forgotten before the marks are read, not after: of what is told meanwhile the reading may not know.
        lateSinceMs = Number.POSITIVE_INFINITY;
        lanes = await readLanes(db, queue, kinds);
        readAtMs = performance.now();
      }
      return lateSinceMs === Number.POSITIVE_INFINITY
        ? lanes
        : lanes.map((lane) => notAbove(lane, lateSinceMs));
    },
    lookBack(sinceMs) {
      lateSinceMs = Math.min(lateSinceMs, sinceMs);
    },
  };
}

function notAbove(lane: Lane, sinceMs: number): Lane {
  return Date.parse(lane.mark) <= sinceMs ? lane : { ...lane, mark: new Date(sinceMs).toISOString() };
}
