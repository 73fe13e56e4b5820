import { describe, expect, test } from "bun:test";
import type { OutboundRules } from "../../src/outbound/rules.ts";
import { NOT_REACHABLE, readTarget, urlProblem } from "../../src/outbound/target.ts";

const HTTPS: OutboundRules = { http: false, ports: [443], allow: [] };
const HTTP: OutboundRules = { ...HTTPS, http: true };

const problemOf = (text: string, rules = HTTPS) => {
  const target = readTarget(text, rules);
  return typeof target === "string" ? target : undefined;
};

describe("what may be called:", () => {
  test.each([
    ["https://api.example.com/v1?x=1", "api.example.com", 443],
    ["HTTPS://API.Example.COM", "api.example.com", 443],
    ["https://api.example.com:443/", "api.example.com", 443],
    ["https://1.1.1.1/", "1.1.1.1", 443],
    ["https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443],
    ["https://bücher.example", "xn--bcher-kva.example", 443],
  ])("%s", (text, host, port) => {
    expect(readTarget(text, HTTPS)).toMatchObject({ host, port });
  });

  test("plain http and its port, by a setting", () => {
    expect(problemOf("http://api.example.com/")).toBe("must be an https URL");
    expect(readTarget("http://api.example.com/", HTTP)).toMatchObject({ port: 80 });
    expect(readTarget("https://api.example.com/", HTTP)).toMatchObject({ port: 443 });
  });

  test("other ports, by a setting", () => {
    const rules = { ...HTTPS, ports: [443, 8443] };
    expect(readTarget("https://api.example.com:8443/", rules)).toMatchObject({ port: 8443 });
    expect(problemOf("https://api.example.com:8444/", rules)).toBe("must use the port 443 or 8443");
  });
});

describe("what may not:", () => {
  test.each([
    "file:///etc/passwd",
    "data:text/plain,hello",
    "s3://bucket/key",
    "ftp://example.com/",
    "blob:https://example.com/1",
    "unix:///run/docker.sock",
    "javascript:alert(1)",
    "ws://example.com/",
    "wss://example.com/",
    "gopher://example.com/",
    "about:blank",
    "//example.com/",
    "/etc/passwd",
    "example.com",
    "example.com:443",
    "https:",
    "https://",
    "https://[::1",
    "https://1.2.3.4.5",
    "https://a b",
    "https://%00",
    "",
  ])("%j, which is no URL of these schemes", (text) => {
    expect(problemOf(text)).toBe("must be an https URL");
    expect(problemOf(text, HTTP)).toBe("must be an http or https URL");
  });

  test.each([
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com\n",
    "https://exa\tmple.com/",
    " https://example.com",
    "https://example.com/\0",
    "https://example.com/a b",
    "https://example.com/\x7f",
  ])("%j, in which a parser would overlook something", (text) => {
    expect(problemOf(text)).toBe("must be an https URL");
  });

  test.each(["https://user@example.com", "https://user:pass@example.com", "https://:pass@example.com"])(
    "%s, for a name and a password belong elsewhere",
    (text) => expect(problemOf(text)).toBe("must not hold a user name or a password"),
  );

  test.each([0, 22, 25, 80, 5432, 6379, 8082, 65_535])("the port %d", (port) => {
    expect(problemOf(`https://example.com:${port}/`)).toBe("must use the port 443");
  });
});

describe("a loopback address in another spelling is that address:", () => {
  test.each([
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "017700000001",
    "0177.0.0.1",
    "0177.0x0.0.01",
    "0x7f.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "%31%32%37.0.0.1",
    "0",
    "0.0.0.0",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
  ])("%s", (host) => {
    expect(problemOf(`https://${host}/`)).toBe(NOT_REACHABLE);
    expect(problemOf(`HTTP://${host}:80/`, HTTP)).toBe(NOT_REACHABLE);
  });

  test("so is that of a cloud's metadata", () => {
    for (const host of [
      "169.254.169.254",
      "2852039166",
      "0xa9fea9fe",
      "0251.0376.0251.0376",
      "[fd00:ec2::254]",
    ])
      expect(problemOf(`https://${host}/`)).toBe(NOT_REACHABLE);
  });
});

describe("an address that is registered", () => {
  const leadsTo =
    (...addresses: string[]) =>
    async () =>
      addresses;

  test("may have a name that leads to everybody's addresses", async () => {
    const lookup = leadsTo("93.184.216.34", "2606:4700:4700::1111");
    expect(await urlProblem("https://api.example.com/", HTTPS, lookup)).toBeUndefined();
  });

  test("may not have one of whose addresses any is private", async () => {
    for (const bad of ["127.0.0.1", "::1", "10.0.0.7", "::ffff:10.0.0.7"])
      for (const addresses of [[bad], ["93.184.216.34", bad], [bad, "93.184.216.34"]])
        expect(await urlProblem("https://api.example.com/", HTTPS, leadsTo(...addresses))).toBe(
          NOT_REACHABLE,
        );
    const allowing = { ...HTTPS, allow: ["10.0.0.0/8"] };
    expect(await urlProblem("https://api.example.com/", allowing, leadsTo("10.0.0.7"))).toBeUndefined();
  });

  test("may have a name that leads nowhere, or nowhere yet: each call looks anew", async () => {
    const fails = () => Promise.reject(new Error("ENOTFOUND"));
    const hangs = () => new Promise<never>(() => {});
    for (const lookup of [leadsTo(), fails, hangs])
      expect(await urlProblem("https://api.example.com/", HTTPS, lookup)).toBeUndefined();
  });

  test("is not looked up when it says by itself what is wrong, nor when it is an address", async () => {
    const never = () => Promise.reject(new Error("looked up"));
    expect(await urlProblem("file:///etc/passwd", HTTPS, never)).toBe("must be an https URL");
    expect(await urlProblem("https://127.0.0.1", HTTPS, never)).toBe(NOT_REACHABLE);
    expect(await urlProblem("https://1.1.1.1", HTTPS, never)).toBeUndefined();
  });

  test("is looked up as this machine does: localhost is no way round", async () => {
    for (const host of ["localhost", "LOCALHOST"])
      expect(await urlProblem(`https://${host}/`, HTTPS)).toBe(NOT_REACHABLE);
  });
});
