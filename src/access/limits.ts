/** Calls are counted by what they ask for: a reader who is too eager can still cancel. */
export const QUOTAS = ["enqueue", "read", "work", "manage"] as const;

export type Quota = (typeof QUOTAS)[number];

/** Calls a minute, and so many at once; 0 for no limit. */
export type CallsPerMinute = Readonly<Record<Quota, number>>;

export interface Counted {
  accepted: boolean;
  quota: Quota;
  /** Calls a window, and its length. */
  calls: number;
  windowS: number;
  /** Whole calls that are left; a call is refused exactly when there is none. */
  remaining: number;
  /** Until there is one more. */
  resetS: number;
}

export interface Limits {
  /** Counts a call of this owner; undefined where nothing is limited. */
  count(owner: string, quota: Quota): Counted | undefined;
}

const WINDOW_MS = 60_000;
/** In calls: hides what adding up fractions of milliseconds leaves behind. */
const ROUNDING = 1e-3;
/** Far more than there are keys; a full bucket is as good as none, so those are swept first. */
const MOST_BUCKETS = 10_000;

/**
 * A token bucket for each owner and quota, in the memory of this process: with several nodes each has its own. Of a
 * bucket only the moment is kept at which it will be full again, and each call puts that off.
 */
export function limits(perMinute: CallsPerMinute, now: () => number = () => performance.now()): Limits {
  const fullAt = new Map<string, number>();

  return {
    count(owner, quota) {
      const calls = perMinute[quota];
      if (calls === 0) return undefined;
      const perCallMs = WINDOW_MS / calls;
      const bucket = `${quota} ${owner}`;
      const atMs = now();
      const missingMs = Math.max(0, (fullAt.get(bucket) ?? 0) - atMs);
      const before = whole((WINDOW_MS - missingMs) / perCallMs);
      const accepted = before >= 1;
      const afterMs = accepted ? missingMs + perCallMs : missingMs;
      if (accepted) fullAt.set(bucket, atMs + afterMs);
      if (fullAt.size > MOST_BUCKETS) sweep(atMs);
      const remaining = accepted ? before - 1 : 0;
      const nextMs = (remaining + 1) * perCallMs - (WINDOW_MS - afterMs);
      return {
        accepted,
        quota,
        calls,
        windowS: WINDOW_MS / 1_000,
        remaining,
        resetS: Math.max(1, Math.ceil((nextMs - ROUNDING) / 1_000)),
      };
    },
  };

  function sweep(atMs: number) {
    for (const [bucket, full] of fullAt) if (full <= atMs) fullAt.delete(bucket);
  }
}

function whole(calls: number): number {
  return Math.floor(calls + ROUNDING);
}
