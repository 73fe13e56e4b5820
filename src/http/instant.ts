import type { FieldError } from "./problem.ts";

/** What the pattern of an instant lets pass and a calendar does not: 30 February. */
export function instantFaults(text: string | null, pointer: string): FieldError[] {
  if (text === null || existsInCalendar(text)) return [];
  return [{ pointer, detail: "must be a day that exists" }];
}

/** A day too many rolls over into the next month instead of failing. */
function existsInCalendar(text: string): boolean {
  const day = text.slice(0, "2024-01-01".length);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
