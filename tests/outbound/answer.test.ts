import { describe, expect, test } from "bun:test";
import { OutboundError } from "../../src/outbound/errors.ts";
import { type GuardedInit, guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import type { Lookup } from "../../src/outbound/lookup.ts";
import {
  answers,
  answersInParts,
  babbles,
  bombs,
  breaksOff,
  floods,
  hangs,
  resets,
} from "../support/behaviours.ts";
import { type Behaviour, fakeServer } from "../support/fake_server.ts";

const server = await fakeServer((call) => call.path, answers(200, "hello"));
const RULES = { http: true, ports: [server.port], allow: ["127.0.0.1/32"] };
const home: Lookup = async () => ["127.0.0.1"];
const call = guardedFetch(RULES, home);

let paths = 0;

/** A path of its own at which the server behaves like this. */
function at(behaviour: Behaviour) {
  const path = `/${paths++}`;
  server.when(path, behaviour);
  const url = `http://agent.test:${server.port}${path}`;
  return {
    get: (init: GuardedInit = {}) => call(url, init),
    text: async (init: GuardedInit = {}) => await (await call(url, init)).text(),
    called: () => server.called(path),
    /** The caller has let go of the connection. */
    closed: async () => await (await server.called(path)).closed,
  };
}

async function reasonOf(answer: Promise<unknown>): Promise<[reason: string, message: string]> {
  const thrown = (await answer.catch((error) => error)) as OutboundError;
  expect(thrown).toBeInstanceOf(OutboundError);
  expect(thrown.message).not.toContain("127.0.0.1");
  return [thrown.reason, thrown.message];
}

describe("an answer comes as it was sent:", () => {
  test("status, headers and body", async () => {
    const { get } = at(answers(418, '{"a":1}', { "content-type": "application/json", "retry-after": "7" }));
    const answer = await get();
    expect(answer.status).toBe(418);
    expect(answer.headers.get("retry-after")).toBe("7");
    expect(await answer.json()).toEqual({ a: 1 });
  });

  test("a header that is there twice, and bytes that are no text", async () => {
    const raw =
      "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-n: \xe4\r\nconnection: close\r\n\r\n";
    const { get } = at((socket) =>
      socket.end(Buffer.concat([Buffer.from(raw, "latin1"), Buffer.from([0, 255])])),
    );
    const answer = await get();
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect([...(await answer.bytes())]).toEqual([0, 255]);
  });

  test.each([204, 205, 304])("%d has no body", async (status) => {
    const { get, closed } = at((socket) => socket.write(`HTTP/1.1 ${status} No\r\nx-a: 1\r\n\r\n`));
    const answer = await get();
    expect([answer.status, answer.body, answer.headers.get("x-a")]).toEqual([status, null, "1"]);
    await closed();
  });

  test("HEAD has none either", async () => {
    const { get } = at((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"));
    expect(await (await get({ method: "HEAD" })).text()).toBe("");
  });

  test("in parts, each as soon as it is there", async () => {
    const { promise: seen, resolve } = Promise.withResolvers<void>();
    const { get } = at(answersInParts(["one ", "two"], { between: () => seen }));
    const reader = (await get()).body!.getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe("one ");
    resolve();
    expect(await next()).toBe("two");
    expect((await reader.read()).done).toBe(true);
  });

  test("what comes before it (100, 103) is passed over", async () => {
    const { text } = at((socket) => {
      socket.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    });
    expect(await text()).toBe("ok");
  });
});

describe("too large", () => {
  test("is a body of more bytes than the caller takes, and the connection is let go of", async () => {
    const { get, closed } = at(floods("x".repeat(10_000)));
    const answer = await get({ maxBytes: 50_000 });
    expect(answer.status).toBe(200);
    expect(await reasonOf(answer.text())).toEqual(["too_large", "the answer has more than 50000 bytes"]);
    await closed();
  });

  test("is what has one byte more, and not what has as many", async () => {
    for (const [bytes, fits] of [
      [1000, true],
      [1001, false],
    ] as const) {
      const { text } = at(answers(200, "x".repeat(bytes)));
      if (fits) expect(await text({ maxBytes: 1000 })).toHaveLength(1000);
      else expect((await reasonOf(text({ maxBytes: 1000 })))[0]).toBe("too_large");
    }
  });

  test("is a MiB and a byte when the caller does not say", async () => {
    expect(await at(answers(200, "x".repeat(1024 * 1024))).text()).toHaveLength(1024 * 1024);
    expect((await reasonOf(at(answers(200, "x".repeat(1024 * 1024 + 1))).text()))[0]).toBe("too_large");
  });

  test("is a length that is only claimed, once that much has come: a status is worth reading", async () => {
    const { get } = at(breaksOff(500, "sorry", { "content-length": "99999999999" }));
    expect((await get()).status).toBe(500);
  });

  test("are headers of more than 32 KiB, be it one, many, or without an end", async () => {
    const one = at(answers(200, "", { "x-a": "a".repeat(33 * 1024) }));
    const many = at(
      answers(
        200,
        "",
        Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`x-${i}`, "a".repeat(20)])),
      ),
    );
    const endless = at((socket) => {
      const write = () => {
        while (!socket.destroyed)
          if (!socket.write("x-a: a\r\n".repeat(1000))) return void socket.once("drain", write);
      };
      socket.write("HTTP/1.1 200 OK\r\n");
      write();
    });
    for (const { get, closed } of [one, many, endless]) {
      expect(await reasonOf(get())).toEqual(["too_large", "the answer's headers are too large"]);
      await closed();
    }
  });
});

describe("compressed", () => {
  test("is what nobody asked for: a bomb is never unpacked", async () => {
    const { get, closed } = at(bombs(256 * 1024 * 1024));
    expect(await reasonOf(get())).toEqual([
      "unreadable",
      "the answer is compressed, although it was asked for as it is",
    ]);
    await closed();
  });

  test.each(["gzip", "br", "deflate", "zstd", "x-gzip", "gzip, gzip", "identity, gzip", "nonsense"])(
    "with %s: refused, whatever is in it",
    async (encoding) => {
      expect((await reasonOf(at(answers(200, "x", { "content-encoding": encoding })).get()))[0]).toBe(
        "unreadable",
      );
    },
  );

  test("with identity is not compressed, and what is packed in the body itself is the reader's affair", async () => {
    expect(await at(answers(200, "x", { "content-encoding": "Identity" })).text()).toBe("x");
    const packed = Bun.gzipSync("hello");
    const { get } = at(answers(200, Buffer.from(packed), { "content-type": "application/gzip" }));
    expect(await (await get()).bytes()).toEqual(packed);
  });

  test("while it is sent is refused as well", async () => {
    const chunked =
      "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\nconnection: close\r\n\r\n0\r\n\r\n";
    const answer = at((socket) => socket.end(chunked));
    expect((await reasonOf(answer.text()))[0]).toBe("unreadable");
  });
});

describe("no answer that can be used:", () => {
  const REASONS: [what: string, behaviour: Behaviour, reason: string][] = [
    ["something else than HTTP", babbles, "unreadable"],
    ["a reset", resets, "unreachable"],
    ["an end before the beginning", (socket) => socket.end(), "unreachable"],
    ["an end within the headers", (socket) => socket.end("HTTP/1.1 200 OK\r\nx-a:"), "unreachable"],
    ["an end before the length is there", breaksOff(200, "half"), "unreachable"],
    [
      "an end within the chunks",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal"),
      "unreachable",
    ],
    [
      "a chunk without a size",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
      "unreachable",
    ],
    [
      "two lengths",
      (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
      "unreadable",
    ],
    [
      "a status of no class",
      (socket) => socket.end("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
      "unreadable",
    ],
    [
      "a change of protocol",
      (socket) => socket.write("HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
      "unreadable",
    ],
  ];

  test.each(REASONS)("%s", async (_, behaviour, reason) => {
    expect((await reasonOf(at(behaviour).text()))[0]).toBe(reason);
  });

  test("nobody there", async () => {
    const gone = guardedFetch({ ...RULES, ports: [1] }, home);
    expect(await reasonOf(gone("http://agent.test:1/"))).toEqual([
      "unreachable",
      "the address cannot be reached (ECONNREFUSED)",
    ]);
  });
});

describe("the caller's signal ends it, with the caller's reason:", () => {
  const reason = new Error("time is up");

  async function abortedBy(controller: AbortController, answer: Promise<unknown>) {
    controller.abort(reason);
    expect(await answer.catch((error) => error)).toBe(reason);
  }

  test("before anything was asked", async () => {
    const asked: string[] = [];
    const fetch = guardedFetch(RULES, async (host) => [asked.push(host).toString()]);
    const signal = AbortSignal.abort(reason);
    expect(await fetch("http://agent.test/", { signal }).catch((error) => error)).toBe(reason);
    expect(asked).toEqual([]);
  });

  test("while a name server does not answer", async () => {
    const controller = new AbortController();
    const fetch = guardedFetch(RULES, () => new Promise(() => {}));
    await abortedBy(controller, fetch("http://agent.test/", { signal: controller.signal }));
  });

  test("while the server says nothing", async () => {
    const controller = new AbortController();
    const { get, called, closed } = at(hangs);
    const answer = get({ signal: controller.signal });
    await called();
    await abortedBy(controller, answer);
    await closed();
  });

  test("in the middle of the headers", async () => {
    const controller = new AbortController();
    const { get, called, closed } = at((socket) => socket.write("HTTP/1.1 200 OK\r\nx-a: "));
    const answer = get({ signal: controller.signal });
    await called();
    await abortedBy(controller, answer);
    await closed();
  });

  test("in the middle of the body", async () => {
    const controller = new AbortController();
    const { get, closed } = at(answersInParts(["one"], { ends: false }));
    const reader = (await get({ signal: controller.signal })).body!.getReader();
    expect((await reader.read()).done).toBe(false);
    await abortedBy(controller, reader.read());
    await closed();
  });

  test("between two reads, so that nobody waits for it", async () => {
    const controller = new AbortController();
    const { get, closed } = at(answersInParts(["one"], { ends: false }));
    const reader = (await get({ signal: controller.signal })).body!.getReader();
    await reader.read();
    controller.abort(reason);
    await closed();
    expect(await reader.read().catch((error) => error)).toBe(reason);
  });

  test("once everything is here it ends nothing any more", async () => {
    const controller = new AbortController();
    expect(await at(answers(200, "whole")).text({ signal: controller.signal })).toBe("whole");
    controller.abort(reason);
  });
});

test("a connection that breaks before anybody reads harms nobody, and is told to who reads then", async () => {
  const { get, closed } = at((socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", () => socket.resetAndDestroy());
  });
  const answer = await get();
  await closed();
  expect((await reasonOf(answer.text()))[0]).toBe("unreachable");
});

test("a reader who has seen enough lets go of the connection", async () => {
  const { get, closed } = at(floods("x".repeat(1000)));
  const answer = await get({ maxBytes: 1e9 });
  await answer.body!.cancel();
  await closed();
});

test("a reader who does not read keeps the sender waiting, not the memory full", async () => {
  let sent = 0;
  const stalled = Promise.withResolvers<void>();
  const { get } = at((socket) => {
    const part = Buffer.alloc(64 * 1024, "x");
    socket.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
    const send = () => {
      while (socket.write(part)) sent += part.length;
      stalled.resolve();
    };
    socket.on("drain", send);
    send();
  });
  const answer = await get({ maxBytes: 1e9 });
  await stalled.promise;
  const reader = answer.body!.getReader();
  await reader.read();
  // What the kernel holds for both ends, and a little of ours.
  expect(sent).toBeLessThan(32 * 1024 * 1024);
  await reader.cancel();
});
