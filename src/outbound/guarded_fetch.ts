import { answerOf } from "./answer.ts";
import { OutboundError } from "./errors.ts";
import { type Lookup, systemLookup } from "./lookup.ts";
import { isReachable } from "./network.ts";
import type { OutboundRules } from "./rules.ts";
import { send } from "./send.ts";
import { addressesOf, NOT_REACHABLE, readTarget } from "./target.ts";

export interface GuardedInit extends RequestInit {
  /** The most bytes of an answer's body that are taken. */
  maxBytes?: number;
}

/** In the form of `fetch`, so that libraries can use it. */
export type GuardedFetch = (input: string | URL | Request, init?: GuardedInit) => Promise<Response>;

const DEFAULT_MAX_BYTES = 1024 * 1024;

/**
 * A `fetch` for addresses that users name. It calls what the rules let through and nothing else: the name is looked up
 * once for each call, every address that it has must be allowed, and the connection goes to one of those. Redirects are
 * answers like all others, proxies of the environment are not used, connections are not shared, and bodies come
 * uncompressed or not at all.
 *
 * Rejects with an `OutboundError`, or with the reason of the caller's signal, which is the only limit of time. So does
 * the body of the answer: it ends with an error that is `too_large` when it has more than `maxBytes`. A body that is
 * not read to its end must be cancelled, or the signal be aborted, to let go of the connection.
 */
export function guardedFetch(rules: OutboundRules, lookup: Lookup = systemLookup): GuardedFetch {
  return async (input, init = {}) => {
    const target = readTarget(input instanceof Request ? input.url : String(input), rules);
    if (typeof target === "string") throw new OutboundError("blocked", `the address ${target}`);
    const { maxBytes = DEFAULT_MAX_BYTES, ...rest } = init;
    const request = readRequest(input, rest);
    const { signal } = request;
    signal.throwIfAborted();
    const addresses = await before(
      signal,
      lookUp(() => addressesOf(target, lookup)),
    );
    if (!addresses.every((address) => isReachable(address, rules.allow)))
      throw new OutboundError("blocked", `the address ${NOT_REACHABLE}`);
    return answerOf(await send(target, addresses, request), { maxBytes, signal });
  };
}

/** What cannot be a request is told without a word of what it is: a header may hold a key. */
function readRequest(input: string | URL | Request, init: RequestInit): Request {
  try {
    return new Request(input, init);
  } catch {
    throw new OutboundError("blocked", "the request has a header that no request may have");
  }
}

async function lookUp(addresses: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const found = await addresses().catch(() => []);
  if (found.length === 0) throw new OutboundError("unreachable", "the name of the address leads nowhere");
  return found;
}

/** Rejects as soon as the signal is aborted: a look-up cannot be. */
async function before<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
