import type { Held } from "./slot.ts";

/**
 * What was taken ahead should be worked off much sooner (see `ahead.ts`). When no job of it has started for so long, those
 * that run have turned out to be long ones, and other workers may have free slots. Not shorter, for a pause of this
 * process should not look like it.
 */
const PATIENCE_MS = 500;

/** Jobs that were taken and wait here for a slot. */
export interface Stock {
  readonly size: number;
  add(held: Held): void;
  /** The one that was taken first; it is about to start. */
  next(): Held | undefined;
  /** All of them: they will not start here. */
  clear(): Held[];
}

/** An empty stock. `onStuck` is told when jobs wait in it and none has started for one or two times the patience. */
export function stock(onStuck: () => void): Stock {
  const waiting: Held[] = [];
  let started = 0;
  let watching: ReturnType<typeof setTimeout> | undefined;

  /** Looks now and then, and not at every job: some take microseconds. */
  function watch() {
    const before = started;
    watching = setTimeout(() => {
      watching = undefined;
      if (waiting.length === 0) return;
      if (started === before) onStuck();
      else watch();
    }, PATIENCE_MS);
  }

  return {
    get size() {
      return waiting.length;
    },
    add(held) {
      waiting.push(held);
      if (watching === undefined) watch();
    },
    next() {
      started++;
      return waiting.shift();
    },
    clear() {
      clearTimeout(watching);
      watching = undefined;
      return waiting.splice(0);
    },
  };
}
