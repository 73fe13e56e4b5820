import ipaddr from "ipaddr.js";
import { flagOf } from "./names.ts";
import type { Settings } from "./settings.ts";

/** What is wrong between settings that are each right, as sentences that say what to do. */
export function contradictions(settings: Settings): string[] {
  const problems: string[] = [];
  const { queues = [] } = settings;
  const twice = queues.find(({ name }, index) =>
    queues.some((other, at) => at < index && other.name === name),
  );
  if (twice) problems.push(`${flagOf("queues")}: names ${twice.name} twice`);
  const noNetwork = settings.outboundAllow.filter((network) => !isNetwork(network));
  if (noNetwork.length > 0)
    problems.push(`${flagOf("outboundAllow")}: no network is called ${noNetwork.join(", ")}`);
  if (settings.watch && settings.handlers.length === 0)
    problems.push(`${flagOf("watch")}: needs ${flagOf("handlers")}, the folders to watch`);
  return problems;
}

/** In full: some read `10.1/16` as 10.1.0.0/16, and others as 10.0.0.1/16. */
function isNetwork(text: string): boolean {
  return ipaddr.IPv4.isValidCIDRFourPartDecimal(text) || ipaddr.IPv6.isValidCIDR(text);
}
