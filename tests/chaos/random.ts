/** Dice that fall the same way at every run with this seed. */
export interface Dice {
  /** From 0 up to, but without, 1. */
  next(): number;
  /** A whole number from 0 up to, but without, `end`. */
  below(end: number): number;
  pick<T>(from: readonly T[]): T;
  /** A time that is `ms` long on average, and up to half as much shorter or longer. */
  about(ms: number): number;
}

/** Mulberry32: small, and good enough to choose victims. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  return {
    next,
    below: (end) => Math.floor(next() * end),
    pick: (from) => from[Math.floor(next() * from.length)]!,
    about: (ms) => ms * (0.5 + next()),
  };
}
