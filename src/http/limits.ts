import type { Counted, Limits, Quota } from "../access/limits.ts";
import { ANYBODY, type Principal } from "../access/principal.ts";
import type { Scope } from "../access/scopes.ts";
import { Problem } from "./problem.ts";

const QUOTA_OF: Record<Scope, Quota> = {
  "jobs:write": "enqueue",
  "jobs:read": "read",
  "jobs:work": "work",
  "jobs:manage": "manage",
  "agents:manage": "manage",
  admin: "manage",
};

/**
 * Counts a call against the limit of its key, and tells the caller in the answer's headers how many are left
 * (draft-ietf-httpapi-ratelimit-headers). Without keys there is nobody to tell apart, and nothing is counted.
 */
export function countCall(
  limits: Limits,
  principal: Principal,
  scope: Scope,
  headers: Record<string, unknown>,
): void {
  const counted = principal === ANYBODY ? undefined : limits.count(principal.owner, QUOTA_OF[scope]);
  if (counted === undefined) return;
  Object.assign(headers, limitHeaders(counted));
  if (counted.accepted) return;
  const { quota, calls, windowS, resetS } = counted;
  throw new Problem("too_many_requests", `this key may make ${calls} ${quota} calls in ${windowS} seconds`, {
    headers: { "retry-after": String(resetS) },
  });
}

function limitHeaders({ quota, calls, windowS, remaining, resetS }: Counted) {
  return {
    "ratelimit-policy": `"${quota}";q=${calls};w=${windowS}`,
    ratelimit: `"${quota}";r=${remaining};t=${resetS}`,
  };
}
