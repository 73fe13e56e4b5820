import { Elysia } from "elysia";
import type { Access } from "../access/access.ts";
import type { Limits } from "../access/limits.ts";
import type { Principal } from "../access/principal.ts";
import { allows, type Scope } from "../access/scopes.ts";
import { pathOf } from "./exchange.ts";
import { countCall } from "./limits.ts";
import { Problem } from "./problem.ts";

/** Asked by load balancers and people before they have a key; tells nothing but that the service is there. */
const OPEN_API_PATH = "/api/health";
/** All who call from where no address is known count as one. */
const NO_ADDRESS = "";

interface Caller {
  principal: Principal;
  limits: Limits;
}

const callers = new WeakMap<Request, Caller>();

/** Guards everything below `/api`. Runs before a route is looked for, so a stranger learns nothing of a body or a route. */
export function auth({ keyring, badKeys, limits }: Access) {
  return new Elysia({ name: "auth" }).onRequest(async ({ request, server }) => {
    if (!isGuarded(pathOf(request))) return;
    const key = bearer(request.headers.get("authorization"));
    const address = server?.requestIP(request)?.address ?? NO_ADDRESS;
    if (key !== undefined && !keyring.hasOpened(key)) refuseWhoGuesses(badKeys.refusedFor(address));
    const principal = await keyring.identify(key);
    if (principal === undefined && key !== undefined) badKeys.count(address);
    if (principal === undefined) throw unauthorized(key);
    callers.set(request, { principal, limits });
  });
}

/** Who makes this request. Only for routes that are guarded, which every route with `needs` is. */
export function principalOf(request: Request): Principal {
  return callerOf(request).principal;
}

/** What a route needs of a key; `scopeOf` reads it back from the routes. */
export interface Needs {
  (context: { request: Request; set: { headers: Record<string, unknown> } }): void;
  readonly scope: Scope;
}

/** For a route's `beforeHandle`. Every route below `/api` says by it which scope a key must have. */
export function needs(scope: Scope): Needs {
  return Object.assign(
    ({ request, set }: Parameters<Needs>[0]) => {
      const { principal, limits } = callerOf(request);
      if (!allows(principal.scopes, scope))
        throw new Problem("forbidden", `this API key lacks the scope ${scope}`, { more: { scope } });
      countCall(limits, principal, scope, set.headers);
    },
    { scope },
  );
}

export function isGuarded(path: string): boolean {
  return (path === "/api" || path.startsWith("/api/")) && path !== OPEN_API_PATH;
}

function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error("a route that nobody guards asks who is calling");
  return caller;
}

/** From the header alone: a key in an address would end in logs and histories. */
function bearer(header: string | null): string | undefined {
  return header?.match(/^bearer +(\S+)$/i)?.[1];
}

function refuseWhoGuesses(seconds: number) {
  if (seconds === 0) return;
  throw new Problem("too_many_requests", "too many API keys from here were not valid", {
    headers: { "retry-after": String(seconds) },
  });
}

/** One answer to all keys that open nothing: whether one ever did is nobody's business. */
function unauthorized(key: string | undefined): Problem {
  const [detail, reason] =
    key === undefined
      ? ["send an API key as Authorization: Bearer <key>", ""]
      : ["this API key is not valid", ', error="invalid_token"'];
  return new Problem("unauthorized", detail, {
    headers: { "www-authenticate": `Bearer realm="jobsvc"${reason}` },
  });
}
