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
  const noNetwork = settings.outboundAllow.filter((network) => !ipaddr.isValidCIDR(network));
  if (noNetwork.length > 0)
    problems.push(`${flagOf("outboundAllow")}: no network is called ${noNetwork.join(", ")}`);
  return problems;
}
