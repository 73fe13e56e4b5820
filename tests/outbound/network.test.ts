import { describe, expect, test } from "bun:test";
import { isReachable } from "../../src/outbound/network.ts";

/** Every range that is not for everybody: its first address, its last, and the neighbours that are, where there are any. */
const RANGES: [range: string, first: string, last: string, neighbours: string[]][] = [
  ["this network", "0.0.0.0", "0.255.255.255", ["1.0.0.0"]],
  ["private", "10.0.0.0", "10.255.255.255", ["9.255.255.255", "11.0.0.0"]],
  ["shared (CGNAT)", "100.64.0.0", "100.127.255.255", ["100.63.255.255", "100.128.0.0"]],
  ["loopback", "127.0.0.0", "127.255.255.255", ["126.255.255.255", "128.0.0.0"]],
  ["link-local", "169.254.0.0", "169.254.255.255", ["169.253.255.255", "169.255.0.0"]],
  ["private", "172.16.0.0", "172.31.255.255", ["172.15.255.255", "172.32.0.0"]],
  ["protocols", "192.0.0.0", "192.0.0.255", ["191.255.255.255", "192.0.1.0"]],
  ["documentation", "192.0.2.0", "192.0.2.255", ["192.0.1.255", "192.0.3.0"]],
  ["6to4 relays", "192.88.99.0", "192.88.99.255", ["192.88.98.255", "192.88.100.0"]],
  ["private", "192.168.0.0", "192.168.255.255", ["192.167.255.255", "192.169.0.0"]],
  ["benchmarks", "198.18.0.0", "198.19.255.255", ["198.17.255.255", "198.20.0.0"]],
  ["documentation", "198.51.100.0", "198.51.100.255", ["198.51.99.255", "198.51.101.0"]],
  ["documentation", "203.0.113.0", "203.0.113.255", ["203.0.112.255", "203.0.114.0"]],
  ["multicast", "224.0.0.0", "239.255.255.255", ["223.255.255.255"]],
  ["reserved and broadcast", "240.0.0.0", "255.255.255.255", []],
  ["unspecified and loopback", "::", "::1", []],
  ["IPv4-compatible", "::127.0.0.1", "::ffff:ffff", []],
  ["IPv4-mapped", "::ffff:0.0.0.0", "::ffff:255.255.255.255", []],
  ["IPv4-translated", "::ffff:0:0:0", "::ffff:0:255.255.255.255", []],
  ["NAT64", "64:ff9b::", "64:ff9b::255.255.255.255", []],
  ["local NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", []],
  ["discard", "100::", "100::ffff:ffff:ffff:ffff", []],
  ["Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", []],
  ["protocols", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", ["2001:200::"]],
  ["documentation", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", ["2001:db7::", "2001:db9::"]],
  ["6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["2003::"]],
  ["documentation", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", ["3fff:1000::", "3ffe:ffff::"]],
  ["segment routing", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", []],
  ["not given to anybody", "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ["3fff:ffff::"]],
  ["unique local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", []],
  ["link-local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", []],
  ["site-local", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", []],
  ["multicast", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", []],
];

describe("nobody may be called in a range that is", () => {
  test.each(RANGES)("%s, from %s to %s", (_, first, last, neighbours) => {
    expect([first, last].filter((address) => isReachable(address, []))).toEqual([]);
    expect(neighbours.filter((address) => !isReachable(address, []))).toEqual([]);
  });
});

test.each(["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:800::200e"])(
  "%s is for everybody",
  (address) => expect(isReachable(address, [])).toBe(true),
);

test.each(["", "localhost", "1.2.3.4.5", "1.1.1.1/8"])("%j is no address that may be called", (text) =>
  expect(isReachable(text, ["0.0.0.0/0", "::/0"])).toBe(false),
);

test("a link-local address stays one when it names its link", () => {
  expect(isReachable("fe80::1%eth0", [])).toBe(false);
});

describe("a network that is allowed", () => {
  const reachable = (allow: string[], ...addresses: string[]) =>
    addresses.filter((address) => isReachable(address, allow));

  test("is open from its first address to its last, and nothing beside it", () => {
    expect(reachable(["10.1.0.0/16"], "10.0.255.255", "10.1.0.0", "10.1.255.255", "10.2.0.0")).toEqual([
      "10.1.0.0",
      "10.1.255.255",
    ]);
    expect(reachable(["fd00:1::/32"], "fd00:0:ffff::", "fd00:1::", "fd00:1:ffff::1", "fd00:2::")).toEqual([
      "fd00:1::",
      "fd00:1:ffff::1",
    ]);
    expect(
      reachable(["127.0.0.1/32", "169.254.169.254/32"], "127.0.0.1", "127.0.0.2", "169.254.169.254"),
    ).toEqual(["127.0.0.1", "169.254.169.254"]);
  });

  test("of IPv4 says nothing of addresses that wrap it", () => {
    const wrapped = ["::ffff:10.1.0.1", "::10.1.0.1", "64:ff9b::10.1.0.1", "2002:a01:1::"];
    expect(reachable(["10.1.0.0/16"], ...wrapped)).toEqual([]);
  });
});
