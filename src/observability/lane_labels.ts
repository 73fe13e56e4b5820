/** What stands for all lanes beyond the limit. No kind and no queue can have this name. */
export const OTHER = "_other";

/** A series for each of them in each metric: more would be a burden to whoever stores them. */
const MAX_LANES = 200;

export interface LaneLabels {
  kind: string;
  queue: string;
}

/**
 * Labels for what kinds do in queues. Both names are the users' to choose, so only the first so many pairs have their
 * own: names that are made up as they go must not fill a memory.
 */
export function laneLabels(limit = MAX_LANES): (kind: string, queue: string) => LaneLabels {
  const known = new Map<string, LaneLabels>();
  const other = { kind: OTHER, queue: OTHER };
  return (kind, queue) => {
    const name = `${kind} ${queue}`;
    const labels = known.get(name);
    if (labels || known.size >= limit) return labels ?? other;
    const own = { kind, queue };
    known.set(name, own);
    return own;
  };
}
