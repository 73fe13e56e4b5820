import type { Principal } from "../access/principal.ts";
import type { FieldError } from "./problem.ts";

/** What is wrong with a job for this user, asked for with this key: a bound key creates its own user's jobs only. */
export function boundFaults({ userId }: Principal, jobUserId: string, at = "/user_id"): FieldError[] {
  if (userId === null || userId === jobUserId.toLowerCase()) return [];
  return [{ pointer: at, detail: "must be the user that this key is bound to" }];
}
