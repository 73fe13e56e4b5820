import { describe, expect, test } from "bun:test";
import { OutboundError } from "../../src/outbound/errors.ts";
import { type GuardedFetch, type GuardedInit, guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import type { Lookup } from "../../src/outbound/lookup.ts";
import type { OutboundRules } from "../../src/outbound/rules.ts";
import { answers } from "../support/behaviours.ts";
import { fakeServer } from "../support/fake_server.ts";
import { trap } from "./trap.ts";

const server = await fakeServer((call) => call.path, answers(200, "hello"));
const { port } = server;

/** Lets calls through to the server of these tests, and to nothing else on this machine. */
const RULES: OutboundRules = { http: true, ports: [port], allow: ["127.0.0.1/32"] };
const STRICT: OutboundRules = { ...RULES, allow: [] };

/** A name server: each question takes the next answer, the last one stays. */
function dns(...answers: string[][]) {
  const asked: string[] = [];
  const lookup: Lookup = async (host) => {
    asked.push(host);
    return answers[Math.min(asked.length, answers.length) - 1]!;
  };
  return { asked, lookup };
}

const home = dns(["127.0.0.1"]).lookup;
const call = guardedFetch(RULES, home);
const url = (path: string) => `http://agent.test:${port}${path}`;

async function failure(fetch: GuardedFetch, address: string, init: GuardedInit = {}): Promise<OutboundError> {
  const thrown = await fetch(address, init).catch((error) => error);
  expect(thrown).toBeInstanceOf(OutboundError);
  expect(thrown.cause).toBeUndefined();
  return thrown;
}

describe("where a name leads", () => {
  test("is asked once for each call, and the call goes there under the name that was asked for", async () => {
    const { asked, lookup } = dns(["127.0.0.1"]);
    const fetch = guardedFetch(RULES, lookup);
    for (const count of [1, 2]) {
      const answer = await fetch(url("/named?x=1"));
      expect([answer.status, await answer.text()]).toEqual([200, "hello"]);
      expect(asked).toHaveLength(count);
    }
    expect(asked).toEqual(["agent.test", "agent.test"]);
    expect(server.calls("/named?x=1")[0]!.headers.host).toBe(`agent.test:${port}`);
  });

  test("cannot change between the check and the connection", async () => {
    const good = await trap("127.0.0.2", port);
    const before = server.calls().length;
    const { asked, lookup } = dns(["127.0.0.2"], ["127.0.0.1"]);
    const fetch = guardedFetch({ ...RULES, allow: ["127.0.0.2/32"] }, lookup);
    expect(await (await fetch(url("/rebound"))).text()).toBe("caught");
    expect(asked).toHaveLength(1);
    expect(good.connections()).toBe(1);
    expect((await failure(fetch, url("/rebound"))).reason).toBe("blocked");
    expect(asked).toHaveLength(2);
    expect(server.calls()).toHaveLength(before);
  });

  test("is not asked again for a connection that is open: there is none to share", async () => {
    await (await call(url("/first"))).text();
    await server.calls("/first")[0]!.closed;
    expect(server.calls("/first")[0]!.headers.connection).toBe("close");
  });

  test.each([
    [["127.0.0.1"]],
    [["::1"]],
    [["10.0.0.1"]],
    [["169.254.169.254"]],
    [["::ffff:127.0.0.1"]],
    [["93.184.216.34", "127.0.0.1"]],
    [["127.0.0.1", "93.184.216.34"]],
    [["2606:4700:4700::1111", "fd00::1"]],
    [["garbage"]],
  ])("must be everybody's: %p", async (addresses) => {
    const { connections, port } = await trap();
    const fetch = guardedFetch({ ...STRICT, ports: [port] }, dns(addresses).lookup);
    const error = await failure(fetch, `http://agent.test:${port}/`);
    expect([error.reason, error.message]).toEqual([
      "blocked",
      "the address must not lead to a private, local or reserved address",
    ]);
    expect(connections()).toBe(0);
  });

  test("may be one of several addresses: when nobody is at the first, it is the next", async () => {
    const fetch = guardedFetch({ ...RULES, allow: ["127.0.0.0/8"] }, dns(["127.0.0.9", "127.0.0.1"]).lookup);
    expect(await (await fetch(url("/second"))).text()).toBe("hello");
  });

  test("may be nowhere", async () => {
    for (const lookup of [
      dns([]).lookup,
      () => Promise.reject(new Error("getaddrinfo ENOTFOUND 10.9.8.7")),
    ]) {
      const error = await failure(guardedFetch(RULES, lookup), url("/"));
      expect([error.reason, error.message]).toEqual(["unreachable", "the name of the address leads nowhere"]);
    }
  });

  test("is asked of this machine, unless somebody else is named", async () => {
    expect(await (await guardedFetch(RULES)(`http://127.0.0.1:${port}/`)).text()).toBe("hello");
    expect((await failure(guardedFetch(STRICT), `http://localhost:${port}/`)).reason).toBe("blocked");
  });
});

describe("nothing is sent to", () => {
  test.each([
    "http://127.0.0.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://0177.0.0.1",
    "http://127.1",
    "http://１２７.0.0.1",
    "http://127.0.0.1.",
    "http://[::ffff:127.0.0.1]",
    "http://[::1]",
    "http://0",
    "http://user@127.0.0.1",
    "file:///etc/passwd#",
    "data:text/plain,#",
    "s3://bucket/#",
  ])("%s", async (address) => {
    const { connections, port } = await trap();
    const { asked, lookup } = dns(["127.0.0.1"]);
    const fetch = guardedFetch({ ...STRICT, ports: [port] }, lookup);
    expect((await failure(fetch, `${address}:${port}/`)).reason).toBe("blocked");
    expect(connections()).toBe(0);
    expect(asked).toEqual([]);
  });

  test("a port that is not named, and what listens there hears nothing", async () => {
    const { connections, port: other } = await trap();
    expect((await failure(call, `http://agent.test:${other}/`)).message).toBe(
      `the address must use the port ${port} or 80`,
    );
    expect(connections()).toBe(0);
  });

  test("plain http, where only https is let through", async () => {
    const error = await failure(guardedFetch({ ...RULES, http: false }, home), url("/plain"));
    expect([error.reason, error.message]).toEqual(["blocked", "the address must be an https URL"]);
    expect(server.calls("/plain")).toHaveLength(0);
  });
});

describe("a redirect is an answer like any other", () => {
  const PLACES = ["http://127.0.0.1:1/", "file:///etc/passwd", "//127.0.0.1:1/", "/elsewhere"];

  test.each([301, 302, 303, 307, 308])("%d", async (status) => {
    for (const [at, location] of PLACES.entries()) {
      const path = `/redirect/${status}/${at}`;
      server.when(path, answers(status, "over there", { location }));
      const answer = await call(url(path), { method: "POST", body: "secret", redirect: "follow" });
      expect([answer.status, answer.redirected, answer.headers.get("location")]).toEqual([
        status,
        false,
        location,
      ]);
      expect(await answer.text()).toBe("over there");
    }
    expect(server.calls("/elsewhere")).toHaveLength(0);
  });
});

describe("a request arrives as it was made:", () => {
  const arrived = (path: string) => server.calls(path).at(-1)!;

  test("method, headers and body", async () => {
    const headers = { "Content-Type": "application/json", authorization: "Bearer abc", "webhook-id": "1" };
    await (await call(url("/made"), { method: "PUT", headers, body: '{"a":"ä"}' })).text();
    expect(arrived("/made")).toMatchObject({
      method: "PUT",
      body: '{"a":"ä"}',
      headers: { "content-type": "application/json", authorization: "Bearer abc", "content-length": "10" },
    });
  });

  test("bytes, streams and requests", async () => {
    const bytes = new Uint8Array([0x7b, 0x7d]);
    const stream = new Blob(["{", "}"]).stream();
    const made = new Request(url("/request"), { method: "POST", body: "{}", headers: { "x-a": "1" } });
    await (await call(url("/bytes"), { method: "POST", body: bytes })).text();
    await (await call(new URL(url("/stream")), { method: "POST", body: stream })).text();
    await (await call(made)).text();
    for (const path of ["/bytes", "/stream", "/request"]) expect(arrived(path).body).toBe("{}");
    expect(arrived("/request").headers["x-a"]).toBe("1");
  });

  test("what concerns the connection is not the caller's to say", async () => {
    const headers = {
      host: "other.test",
      connection: "upgrade",
      upgrade: "websocket",
      "accept-encoding": "gzip, br",
      "transfer-encoding": "chunked",
      "content-length": "1",
      expect: "100-continue",
    };
    await (await call(url("/own"), { method: "POST", headers, body: "body" })).text();
    const { headers: got, body } = arrived("/own");
    expect(body).toBe("body");
    expect(got).toEqual({
      "accept-encoding": "identity",
      connection: "close",
      "content-length": "4",
      host: `agent.test:${port}`,
    });
  });

  test("a line break in a header goes nowhere, and is not repeated", async () => {
    const CANARY = "sk-canary";
    for (const init of [
      { headers: { authorization: `Bearer ${CANARY}\r\nx-injected: 1` } },
      { headers: { [`x-${CANARY}\r\ny`]: "1" } },
    ]) {
      const error = await failure(call, url("/injected"), init);
      expect(error.reason).toBe("blocked");
      expect(error.message).not.toContain(CANARY);
    }
    expect(server.calls("/injected")).toHaveLength(0);
  });
});
