import type { Database } from "../db/connect.ts";
import { type LaneMarks, readMarks, type Source } from "./lanes.ts";

/** The low-water marks of some sources, for one who takes from them again and again. */
export interface Marks {
  /** How long ago they were read. */
  readonly ageMs: number;
  /**
   * Reads them again, by one statement for all. That sees everything, also what was committed late and told by nobody.
   * Answers the sources in which something is due.
   */
  read(): Promise<Source[]>;
  /** Those for a take that begins now: none before the first reading. */
  of(source: Source): LaneMarks | undefined;
  /**
   * Jobs of a queue that are due since then have been committed only now, so they may stand below the marks. They are seen
   * by every take from here on until the marks are read again, which is when the marks themselves stand low enough.
   */
  lookBack(queue: string, sinceMs: number): void;
}

/** The low-water marks of one taker: kept for a while, because reading them wades through what takes are spared. */
export function marks(db: Database, sources: readonly Source[]): Marks {
  const known = new Map<Source, LaneMarks>();
  const lateSinceMs = new Map<string, number>();
  let readAtMs = Number.NEGATIVE_INFINITY;

  return {
    get ageMs() {
      return performance.now() - readAtMs;
    },
    async read() {
      // Forgotten before the marks are read, not after: of what is told meanwhile the reading may not know.
      lateSinceMs.clear();
      const found = await readMarks(db, sources);
      readAtMs = performance.now();
      for (const [place, source] of sources.entries()) known.set(source, found[place]!);
      return sources.filter((_, place) => found[place]!.due);
    },
    of(source) {
      const marks = known.get(source);
      const sinceMs = lateSinceMs.get(source.queue);
      return marks && sinceMs !== undefined ? notAbove(marks, sinceMs) : marks;
    },
    lookBack(queue, sinceMs) {
      lateSinceMs.set(queue, Math.min(lateSinceMs.get(queue) ?? Number.POSITIVE_INFINITY, sinceMs));
    },
  };
}

function notAbove({ mark, lanes }: LaneMarks, sinceMs: number): LaneMarks {
  const lower = (mark: string) => (Date.parse(mark) <= sinceMs ? mark : new Date(sinceMs).toISOString());
  return { mark: lower(mark), lanes: lanes.map((lane) => ({ ...lane, mark: lower(lane.mark) })) };
}
