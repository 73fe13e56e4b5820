import { Elysia, type InternalRoute } from "elysia";
import type { Access } from "../access/access.ts";
import type { Limits } from "../access/limits.ts";
import { ANYBODY, type Principal } from "../access/principal.ts";
import { allows, type Scope } from "../access/scopes.ts";
import { checksOf } from "./before_handle.ts";
import { isByToken, isCallback } from "./callback_auth.ts";
import { type AddressOf, bearerOf, type Credential, refuseWhoGuesses, unauthorized } from "./credentials.ts";
import { pathOf } from "./exchange.ts";
import { countCall } from "./limits.ts";
import { refuseOtherSites } from "./own_machine.ts";
import { Problem } from "./problem.ts";

/** Asked by load balancers and people before they have a key; tells nothing but that the service is there. */
const OPEN_API_PATH = "/api/health";
/** Stands where scrapers look for it, and tells of everybody's jobs. */
const METRICS_PATH = "/metrics";
const KEY: Credential = { name: "API key", wanted: "send an API key as Authorization: Bearer <key>" };

interface Caller {
  principal: Principal;
  limits: Limits;
  /** Who the same key stands for now. */
  identify(): Promise<Principal | undefined>;
}

const callers = new WeakMap<Request, Caller>();

/** Guards everything below `/api`, and the metrics. Runs before a route is looked for, so a stranger learns nothing of a body or a route. */
export function auth({ keyring, badKeys, limits }: Access, addressOf: AddressOf) {
  return new Elysia({ name: "auth" }).onRequest(async ({ request }) => {
    const path = pathOf(request);
    if (!isGuarded(path) || isCallback(path)) return;
    const key = bearerOf(request);
    // The address is asked for only where it matters, for the system does not give it for nothing.
    if (key !== undefined && !keyring.hasOpened(key))
      refuseWhoGuesses(badKeys.refusedFor(addressOf(request)), KEY);
    const principal = await keyring.identify(key);
    if (principal === undefined && key !== undefined) badKeys.count(addressOf(request));
    if (principal === undefined) throw unauthorized(key, KEY);
    if (principal === ANYBODY) refuseOtherSites(request);
    callers.set(request, { principal, limits, identify: () => keyring.identify(key) });
  });
}

/** Who makes this request. Only for routes that are guarded, which every route with `needs` is. */
export function principalOf(request: Request): Principal {
  return callerOf(request).principal;
}

/** For an answer that goes on for long: whether the key with which it was asked for may still have it. */
export async function isStillAllowed(request: Request, scope: Scope): Promise<boolean> {
  const { principal, identify } = callerOf(request);
  const now = await identify();
  return now !== undefined && now.userId === principal.userId && allows(now.scopes, scope);
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

/** The scope that a route's `needs` names. */
export function scopeOf(route: Pick<InternalRoute, "hooks">): Scope | undefined {
  return checksOf(route).find(isNeeds)?.scope;
}

/** Before the first request: a route that was added without a decision on who may call it must not be served. */
export function refuseUnscoped(routes: readonly InternalRoute[]): void {
  const open = routes.filter((route) => isGuarded(route.path) && !hasGuard(route));
  if (open.length === 0) return;
  const names = open.map(({ method, path }) => `${method} ${path}`).join(", ");
  throw new Error(`these routes name no scope: ${names}`);
}

export function isGuarded(path: string): boolean {
  return (
    path.replace(/\/$/, "") === METRICS_PATH ||
    ((path === "/api" || path.startsWith("/api/")) && path !== OPEN_API_PATH)
  );
}

/** A scope, or a token where tokens are looked at. */
function hasGuard(route: InternalRoute): boolean {
  return isCallback(route.path) ? isByToken(route) : scopeOf(route) !== undefined;
}

function isNeeds(check: unknown): check is Needs {
  return typeof check === "function" && "scope" in check;
}

function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error("a route that nobody guards asks who is calling");
  return caller;
}
