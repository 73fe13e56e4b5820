import { createHash, timingSafeEqual } from "node:crypto";
import { Elysia } from "elysia";
import { pathOf } from "./exchange.ts";
import { Problem } from "./problem.ts";

/** Asked by load balancers and people before they have a key; tells nothing but that the service is there. */
const OPEN_API_PATH = "/api/health";

/** Guards everything below `/api`. Runs before a route is looked for, so a stranger learns nothing of a body or a route. */
export function auth(apiKeys: readonly string[]) {
  const known = apiKeys.map(digest);
  return new Elysia({ name: "auth" }).onRequest(({ request }) => {
    if (known.length === 0 || !isGuarded(pathOf(request))) return;
    const key = bearer(request.headers.get("authorization"));
    if (key === undefined) throw unauthorized("send an API key as Authorization: Bearer <key>");
    if (!isKnown(known, digest(key))) throw unauthorized("this API key is not valid");
  });
}

export function isGuarded(path: string): boolean {
  return (path === "/api" || path.startsWith("/api/")) && path !== OPEN_API_PATH;
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
