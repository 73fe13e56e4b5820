import { Elysia, type InternalRoute } from "elysia";
import type { Access } from "../access/access.ts";
import type { HeldAttempt } from "../access/callback_tokens.ts";
import { checksOf } from "./before_handle.ts";
import { type AddressOf, bearerOf, type Credential, refuseWhoGuesses, unauthorized } from "./credentials.ts";
import { pathOf } from "./exchange.ts";

/** Below it no key opens anything: whoever calls back has a token, which is good for one attempt of one job. */
export const CALLBACKS_PATH = "/api/callbacks";

const TOKEN: Credential = {
  name: "callback token",
  wanted: "send the callback token as Authorization: Bearer <token>",
};

const callers = new WeakMap<Request, HeldAttempt>();

export function isCallback(path: string): boolean {
  return path === CALLBACKS_PATH || path.startsWith(`${CALLBACKS_PATH}/`);
}

/** Guards the callbacks, as `auth` guards everything else. */
export function callbackAuth({ tokens, badKeys }: Access, addressOf: AddressOf) {
  return new Elysia({ name: "callback auth" }).onRequest(({ request }) => {
    if (!isCallback(pathOf(request))) return;
    const token = bearerOf(request);
    const held = token === undefined ? undefined : tokens.read(token);
    if (held !== undefined) return void callers.set(request, held);
    const address = addressOf(request);
    if (token !== undefined) {
      refuseWhoGuesses(badKeys.refusedFor(address), TOKEN);
      badKeys.count(address);
    }
    throw unauthorized(token, TOKEN);
  });
}

/** For a route's `beforeHandle`, in the place of a scope. */
export const byToken = Object.assign(({ request }: { request: Request }): void => void heldBy(request), {
  byToken: true,
});

export function isByToken(route: Pick<InternalRoute, "hooks">): boolean {
  return checksOf(route).some((check) => typeof check === "function" && "byToken" in check);
}

/** The attempt of which this request may tell. Only for routes that are opened by a token. */
export function heldBy(request: Request): HeldAttempt {
  const held = callers.get(request);
  if (held === undefined) throw new Error("a route that no token opens asks whose it is");
  return held;
}
