import { createHash, timingSafeEqual } from "node:crypto";
import { Elysia } from "elysia";
import { ANYBODY, type Principal } from "../access/principal.ts";
import { ALL_SCOPES, allows, type Scope } from "../access/scopes.ts";
import { pathOf } from "./exchange.ts";
import { Problem } from "./problem.ts";

/** Asked by load balancers and people before they have a key; tells nothing but that the service is there. */
const OPEN_API_PATH = "/api/health";

const principals = new WeakMap<Request, Principal>();

/** Guards everything below `/api`. Runs before a route is looked for, so a stranger learns nothing of a body or a route. */
export function auth(apiKeys: readonly string[]) {
  const known = apiKeys.map(digest);
  return new Elysia({ name: "auth" }).onRequest(({ request }) => {
    if (!isGuarded(pathOf(request))) return;
    principals.set(request, known.length === 0 ? ANYBODY : identify(known, request));
  });
}

/** Who makes this request. Only for routes that are guarded, which every route with `needs` is. */
export function principalOf(request: Request): Principal {
  const principal = principals.get(request);
  if (principal === undefined) throw new Error("a route that nobody guards asks who is calling");
  return principal;
}

/** For a route's `beforeHandle`. Every route below `/api` says by it which scope a key must have. */
export function needs(scope: Scope) {
  return ({ request }: { request: Request }): void => {
    if (!allows(principalOf(request).scopes, scope))
      throw new Problem("forbidden", `this API key lacks the scope ${scope}`, { more: { scope } });
  };
}

export function isGuarded(path: string): boolean {
  return (path === "/api" || path.startsWith("/api/")) && path !== OPEN_API_PATH;
}

function identify(known: readonly Buffer[], request: Request): Principal {
  const key = bearer(request.headers.get("authorization"));
  if (key === undefined) throw unauthorized("send an API key as Authorization: Bearer <key>");
  const hash = digest(key);
  if (!isKnown(known, hash)) throw unauthorized("this API key is not valid");
  const owner = `settings:${hash.toString("hex").slice(0, 12)}`;
  return { keyId: null, owner, userId: null, scopes: ALL_SCOPES };
}

/** From the header alone: a key in an address would end in logs and histories. */
function bearer(header: string | null): string | undefined {
  return header?.match(/^bearer +(\S+)$/i)?.[1];
}

/** Compares hashes, which have one length, and all of them: the time it takes tells nothing of the keys. */
function isKnown(known: readonly Buffer[], key: Buffer): boolean {
  return known.map((one) => timingSafeEqual(one, key)).includes(true);
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

function unauthorized(detail: string): Problem {
  return new Problem("unauthorized", detail, { headers: { "www-authenticate": 'Bearer realm="jobsvc"' } });
}
