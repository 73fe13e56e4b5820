const MOST_BAD_KEYS = 50;
const WINDOW_MS = 10_000;
/** Behind them all are addresses that tried; the oldest is forgotten first. */
const MOST_ADDRESSES = 10_000;

export interface BadKeys {
  /** Seconds for which no more keys are tried from here; 0 when they are. */
  refusedFor(address: string): number;
  /** A key from here opened nothing. */
  count(address: string): void;
}

/** Whoever tries one key after the other is told to wait, so that guessing is slow and costs the database nothing. */
export function badKeys(now: () => number = () => performance.now()): BadKeys {
  const windows = new Map<string, { bad: number; endsAt: number }>();

  /** Undefined when the last bad key from here is long ago. */
  function windowOf(address: string) {
    const window = windows.get(address);
    return window && window.endsAt > now() ? window : undefined;
  }

  return {
    refusedFor(address) {
      const window = windowOf(address);
      return window && window.bad >= MOST_BAD_KEYS ? Math.ceil((window.endsAt - now()) / 1_000) : 0;
    },
    count(address) {
      const window = windowOf(address);
      if (window) return void window.bad++;
      windows.delete(address);
      windows.set(address, { bad: 1, endsAt: now() + WINDOW_MS });
      if (windows.size > MOST_ADDRESSES) windows.delete(windows.keys().next().value!);
    },
  };
}
