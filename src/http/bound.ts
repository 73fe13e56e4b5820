import type { Principal } from "../access/principal.ts";
import { principalOf } from "./auth.ts";
import { type FieldError, Problem } from "./problem.ts";

/** What is wrong with a job for this user, asked for with this key: a bound key creates its own user's jobs only. */
export function boundFaults({ userId }: Principal, jobUserId: string): FieldError[] {
  if (userId === null || userId === jobUserId.toLowerCase()) return [];
  return [{ pointer: "/user_id", detail: "must be the user that this key is bound to" }];
}

/** For the `beforeHandle` of what tells of everybody's jobs: a key that is bound to one user may not see it. */
export function unbound({ request }: { request: Request }): void {
  if (principalOf(request).userId === null) return;
  throw new Problem("forbidden", "this API key is bound to a user, and this tells of everybody's jobs");
}
