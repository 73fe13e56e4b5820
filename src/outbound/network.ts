import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.parse>;
type Network = [address: Address, bits: number];

/**
 * All that is given to networks that anybody can reach. What lies outside of it is reserved, or a form of writing IPv4
 * addresses that no table knows: `::127.0.0.1`.
 */
const GLOBAL_IPV6: Network = ipaddr.parseCIDR("2000::/3");

/**
 * Whether a call may go to this address: one that the whole internet can reach (no private, local, shared, reserved,
 * documentation or multicast range, and no IPv4 address wrapped in an IPv6 one), or one of the networks allowed.
 */
export function isReachable(text: string, allow: readonly string[]): boolean {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.parse(text);
  return isPublic(address) || allow.some((network) => isWithin(address, ipaddr.parseCIDR(network)));
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address.kind() === "ipv4" || isWithin(address, GLOBAL_IPV6);
}

function isWithin(address: Address, network: Network): boolean {
  return address.kind() === network[0].kind() && address.match(network);
}
