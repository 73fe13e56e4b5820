/** What stands for all lanes beyond the limit. No kind and no queue can have this name. */
export const OTHER = "_other";

/** A series for each of them in each metric: more would be a burden to whoever stores them. */
const MAX_LANES = 200;

export interface LaneLabels {
  kind: string;
  queue: string;
}

export interface Lanes<Lane> {
  of(kind: string, queue: string): Lane;
  all(): Iterable<Lane>;
}

/**
 * Something for each kind in each queue. Both names are the users' to choose, so only the first so many pairs have one of
 * their own: names that are made up as they go must not fill a memory.
 */
export function lanes<Lane>(make: (labels: LaneLabels) => Lane, limit = MAX_LANES): Lanes<Lane> {
  const known: Lane[] = [];
  const byKind = new Map<string, Map<string, Lane>>();
  let other: Lane | undefined;

  function add(kind: string, queue: string): Lane {
    if (known.length >= limit) {
      other ??= make({ kind: OTHER, queue: OTHER });
      return other;
    }
    const lane = make({ kind, queue });
    known.push(lane);
    byKind.set(kind, (byKind.get(kind) ?? new Map()).set(queue, lane));
    return lane;
  }

  return {
    of: (kind, queue) => byKind.get(kind)?.get(queue) ?? add(kind, queue),
    all: () => (other === undefined ? known : [...known, other]),
  };
}
