import { isIP } from "node:net";
import { type Lookup, systemLookup } from "./lookup.ts";
import { isReachable } from "./network.ts";
import type { OutboundRules } from "./rules.ts";

/** An address that may be called, as far as it tells by itself: where its name leads is seen at each call. */
export interface Target {
  url: URL;
  /** A name, or an IP address without brackets. */
  host: string;
  port: number;
}

const DEFAULT_PORTS: Record<string, number> = { "http:": 80, "https:": 443 };
/** What a parser of URLs would drop in silence, and what would begin a header of its own. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this finds
const UNSEEN = /[\u0000-\u0020\u007f]/;

/** How a caller is told that a call may not go where it would. Never to which address a name leads. */
export const NOT_REACHABLE = "must not lead to a private, local or reserved address";

/** What there is to call, or what is wrong with the address: a sentence that begins with "must". */
export function readTarget(text: string, rules: OutboundRules): Target | string {
  const schemes = rules.http ? "http or https" : "https";
  if (UNSEEN.test(text) || !URL.canParse(text)) return `must be an ${schemes} URL`;
  const url = new URL(text);
  if (url.protocol !== "https:" && !(rules.http && url.protocol === "http:"))
    return `must be an ${schemes} URL`;
  if (url.username !== "" || url.password !== "") return "must not hold a user name or a password";
  const port = url.port === "" ? DEFAULT_PORTS[url.protocol]! : Number(url.port);
  const ports = rules.http ? [...rules.ports, DEFAULT_PORTS["http:"]!] : rules.ports;
  if (!ports.includes(port)) return `must use the port ${ports.join(" or ")}`;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(host) !== 0 && !isReachable(host, rules.allow)) return NOT_REACHABLE;
  return { url, host, port };
}

/** A name that is slower is told right when it is called. */
const LOOKUP_PATIENCE_MS = 2_000;

/**
 * What is wrong with an address that somebody registers: a sentence that begins with "must", or undefined. A name that
 * leads nowhere yet is fine: where it leads is looked at anew at each call.
 */
export async function urlProblem(
  text: string,
  rules: OutboundRules,
  lookup: Lookup = systemLookup,
): Promise<string | undefined> {
  const target = readTarget(text, rules);
  if (typeof target === "string") return target;
  const found = await Promise.race([
    addressesOf(target, lookup).catch(() => []),
    Bun.sleep(LOOKUP_PATIENCE_MS).then(() => []),
  ]);
  return found.every((address) => isReachable(address, rules.allow)) ? undefined : NOT_REACHABLE;
}

/** Every address to which a call may go. One look-up, and none for what is an address already. */
export async function addressesOf({ host }: Target, lookup: Lookup): Promise<readonly string[]> {
  return isIP(host) === 0 ? await lookup(host) : [host];
}
