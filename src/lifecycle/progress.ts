/** How a loop of this process gets on. */
export interface Progress {
  name: string;
  /** Since its last step that went through, or since it started. */
  agoMs: number;
  /** Since the moment when its next step should have begun, or should have gone through had it not failed. */
  overdueMs: number;
}

/** Says of a loop how it gets on, as far as it has told. */
export interface Pace {
  /** A step went through, and the next one is due after this rest. */
  rested(restMs: number): void;
  /** The next step is due now. */
  woken(): void;
  end(): void;
}

interface Entry {
  name: string;
  progressedMs: number;
  dueMs: number;
}

const entries = new Set<Entry>();

/** To be called by a loop when it starts; it is told of until it ends. */
export function keepPace(name: string, nowMs: () => number = () => performance.now()): Pace {
  const entry: Entry = { name, progressedMs: nowMs(), dueMs: nowMs() };
  entries.add(entry);
  return {
    rested(restMs) {
      entry.progressedMs = nowMs();
      entry.dueMs = nowMs() + restMs;
    },
    woken() {
      entry.dueMs = Math.min(entry.dueMs, nowMs());
    },
    end: () => void entries.delete(entry),
  };
}

/** All loops that run in this thread, in the order in which they started. */
export function progress(nowMs = performance.now()): Progress[] {
  return [...entries].map(({ name, progressedMs, dueMs }) => ({
    name,
    agoMs: nowMs - progressedMs,
    overdueMs: Math.max(0, nowMs - dueMs),
  }));
}
