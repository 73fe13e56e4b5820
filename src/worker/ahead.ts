export interface Pace {
  slots: number;
  /** How long a job runs, on average. */
  runMs: number;
  /** How large its payload is, on average. */
  payloadBytes: number;
}

/** A slot whose job has ended is empty for the trip of the next take, some milliseconds: of longer jobs that hardly counts. */
const SHORT_UP_TO_MS = 50;
/** What is taken ahead is worked off within this time, or given back (see `stock.ts`): until then nobody else can have it. */
const WORTH_MS = 20;
/** Enough to outlast the trips of takes for more, however little each has to do. */
const MOST_JOBS = 5_000;
/** Of payloads that wait here in memory. */
const MOST_BYTES = 16 * 1024 * 1024;

/**
 * The part of the wanted stock, be it here or on its way, with which none is taken yet. So two takes are under way while the
 * jobs of a third are worked off, and neither this process nor the server waits for the other.
 */
export const WELL_STOCKED = 2 / 3;

/** How many jobs to take beyond those that fill the slots: the shorter they are, the more, so that takes are few and slots never empty. */
export function wantedAhead({ slots, runMs, payloadBytes }: Pace): number {
  if (runMs > SHORT_UP_TO_MS) return 0;
  return Math.floor(Math.min((slots * WORTH_MS) / runMs, MOST_JOBS, MOST_BYTES / payloadBytes));
}
