import { wantedAhead } from "./ahead.ts";

/** What a pool has seen of its jobs, from which it guesses how many of the next ones to take ahead. */
export interface Experience {
  held(payloadBytes: number): void;
  ran(ms: number): void;
  /** How long jobs take is not what it was. */
  forgetTimes(): void;
  /** How many jobs to take beyond those that fill the slots; none before one has run. */
  wantedAhead(): number;
}

/** Weight of the latest job in the running averages. */
const LATEST_WEIGHT = 0.05;

/** The experience of a pool with so many slots, at first none. */
export function experience(slots: number): Experience {
  let runMs = Number.POSITIVE_INFINITY;
  let payloadBytes = Number.POSITIVE_INFINITY;

  return {
    held(bytes) {
      payloadBytes = averaged(payloadBytes, bytes);
    },
    ran(ms) {
      runMs = averaged(runMs, ms);
    },
    forgetTimes() {
      runMs = Number.POSITIVE_INFINITY;
    },
    wantedAhead: () => wantedAhead({ slots, runMs, payloadBytes }),
  };
}

function averaged(average: number, latest: number): number {
  return Number.isFinite(average) ? average + LATEST_WEIGHT * (latest - average) : latest;
}
