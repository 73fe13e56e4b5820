import { invalid } from "./field_errors.ts";

/** A place in a list, opaque to clients so that it can change. */
export function cursorOf(place: string | number): string {
  return Buffer.from(String(place)).toString("base64url");
}

/** The place that a cursor stands for; `pattern` is what places of this list look like. */
export function placeOf(cursor: string, pattern: RegExp): string {
  const place = Buffer.from(cursor, "base64url").toString();
  if (pattern.test(place)) return place;
  throw invalid([{ pointer: "/cursor", detail: "must be a next_cursor of a page" }]);
}
