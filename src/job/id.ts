/** The smallest uuid v7 of a moment: 48 bits of milliseconds, the rest zero. Ids carry their time of birth. */
export function firstIdAt(moment: Date): string {
  const milliseconds = Math.max(0, moment.getTime()).toString(16).padStart(12, "0");
  return `${milliseconds.slice(0, 8)}-${milliseconds.slice(8, 12)}-0000-0000-000000000000`;
}

/** Sorts after every id. */
export const LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff";
