import type { Database } from "../db/connect.ts";
import { type Lane, readLanes, type Source } from "./lanes.ts";

/** The lanes of some sources, for one who takes from them again and again. */
export interface Marks {
  /** How long ago they were read. */
  readonly ageMs: number;
  /**
   * Reads them again, by one statement for all. That sees everything, also what was committed late and told by nobody.
   * Answers the sources in which something is due.
   */
  read(): Promise<Source[]>;
  /** The lanes for a take that begins now: none before the first reading. */
  lanes(source: Source): readonly Lane[];
  /**
   * Jobs of a queue that are due since then have been committed only now, so they may stand below the marks. They are seen
   * by every take from here on until the marks are read again, which is when the marks themselves stand low enough.
   */
  lookBack(queue: string, sinceMs: number): void;
}

/** The low-water marks of one taker: kept for a while, because reading them wades through what takes are spared. */
export function marks(db: Database, sources: readonly Source[]): Marks {
  const lanes = new Map<Source, readonly Lane[]>();
  const lateSinceMs = new Map<string, number>();
  let readAtMs = Number.NEGATIVE_INFINITY;

  return {
    get ageMs() {
      return performance.now() - readAtMs;
    },
    async read() {
      // Forgotten before the marks are read, not after: of what is told meanwhile the reading may not know.
      lateSinceMs.clear();
      const found = await readLanes(db, sources);
      readAtMs = performance.now();
      for (const [place, source] of sources.entries()) lanes.set(source, found[place]!.lanes);
      return sources.filter((_, place) => found[place]!.due);
    },
    lanes(source) {
      const ofSource = lanes.get(source) ?? [];
      const sinceMs = lateSinceMs.get(source.queue);
      return sinceMs === undefined ? ofSource : ofSource.map((lane) => notAbove(lane, sinceMs));
    },
    lookBack(queue, sinceMs) {
      lateSinceMs.set(queue, Math.min(lateSinceMs.get(queue) ?? Number.POSITIVE_INFINITY, sinceMs));
    },
  };
}

function notAbove(lane: Lane, sinceMs: number): Lane {
  return Date.parse(lane.mark) <= sinceMs ? lane : { ...lane, mark: new Date(sinceMs).toISOString() };
}
