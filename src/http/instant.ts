import type { FieldError } from "./problem.ts";

/** Outside of it stand slips of the keyboard, and milliseconds taken for seconds. */
const FIRST_YEAR = 1970;
const LAST_YEAR = 2199;

/** What the pattern of an instant lets pass and a calendar does not: 30 February, the year 0001. */
export function instantFaults(text: string | null, pointer: string): FieldError[] {
  if (text === null || existsInCalendar(text)) return [];
  return [{ pointer, detail: `must be a day that exists, in the years ${FIRST_YEAR} to ${LAST_YEAR}` }];
}

function existsInCalendar(text: string): boolean {
  const day = text.slice(0, "2024-01-01".length);
  const year = Number(day.slice(0, 4));
  const midnight = new Date(`${day}T00:00:00Z`);
  if (year < FIRST_YEAR || year > LAST_YEAR || Number.isNaN(midnight.getTime())) return false;
  // A day too many rolls over into the next month instead of failing.
  return midnight.toISOString().startsWith(day);
}
