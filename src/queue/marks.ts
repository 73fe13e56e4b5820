import type { Database } from "../db/connect.ts";
import { type LaneMarks, LOWEST_MARKS, readMarks, type Source } from "./lanes.ts";

/** The low-water marks of some sources, for one who takes from them again and again. */
export interface Marks {
  /** How long ago they were read. */
  readonly ageMs: number;
  /**
   * Reads them again, by one statement for all, and answers the sources in which something is due. A full reading sees
   * everything, also what was committed late and told by nobody. Each is full as long as that costs next to nothing.
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

/**
 * Full readings may take a hundredth of the time. While an old transaction is open anywhere in the database, each of them
 * wades through all that was done meanwhile; the others begin at the marks that are known.
 */
const FULL_PAUSE = 100;
/** What was committed very late, which nobody has told of either, waits no longer than this. */
const MAX_FULL_PAUSE_MS = 30_000;

/** The low-water marks of one taker: kept for a while, because reading them wades through what takes are spared. */
export function marks(db: Database, sources: readonly Source[]): Marks {
  const known = new Map<Source, LaneMarks>();
  const lateSinceMs = new Map<string, number>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let fullAtMs = Number.NEGATIVE_INFINITY;

  function of(source: Source) {
    const marks = known.get(source);
    const sinceMs = lateSinceMs.get(source.queue);
    return marks && sinceMs !== undefined ? notAbove(marks, sinceMs) : marks;
  }

  function lookBack(queue: string, sinceMs: number) {
    lateSinceMs.set(queue, Math.min(lateSinceMs.get(queue) ?? Number.POSITIVE_INFINITY, sinceMs));
  }

  return {
    get ageMs() {
      return performance.now() - readAtMs;
    },
    async read() {
      const startedMs = performance.now();
      const isFull = startedMs >= fullAtMs;
      const from = sources.map((source) => (isFull ? undefined : of(source)) ?? LOWEST_MARKS);
      // Forgotten before the marks are read, not after: of what is told meanwhile the reading may not know.
      const told = [...lateSinceMs];
      lateSinceMs.clear();
      try {
        const found = await readMarks(db, sources, from);
        readAtMs = performance.now();
        for (const [place, source] of sources.entries()) known.set(source, found[place]!);
        return sources.filter((_, place) => found[place]!.due);
      } catch (error) {
        for (const [queue, sinceMs] of told) lookBack(queue, sinceMs);
        throw error;
      } finally {
        const endedMs = performance.now();
        if (isFull) fullAtMs = endedMs + Math.min((endedMs - startedMs) * FULL_PAUSE, MAX_FULL_PAUSE_MS);
      }
    },
    of,
    lookBack,
  };
}

function notAbove({ mark, lanes }: LaneMarks, sinceMs: number): LaneMarks {
  const lower = (mark: string) => (Date.parse(mark) <= sinceMs ? mark : new Date(sinceMs).toISOString());
  return { mark: lower(mark), lanes: lanes.map((lane) => ({ ...lane, mark: lower(lane.mark) })) };
}
