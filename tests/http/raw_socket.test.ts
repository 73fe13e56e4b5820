import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { testParts } from "./client.ts";
import { AUTHORIZATION, SETTINGS_KEY, served } from "./wire.ts";

/** What a request is that somebody tries to slip in behind another one. */
const SMUGGLED = "GET /api/stats HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n";

const GET = "GET /livez HTTP/1.1\r\nHost: localhost\r\n";
const POST =
  "POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
  `Authorization: ${AUTHORIZATION.authorization}\r\n`;
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

const manyHeaders = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join("");

/** Each is refused, and the connection closed: of what follows nobody can say where it begins. */
const REFUSED: [why: string, status: number, text: string][] = [
  ["two lengths", 400, `${POST}Content-Length: 2\r\nContent-Length: 73\r\n\r\n{}${SMUGGLED}`],
  ["a list of lengths", 400, `${POST}Content-Length: 2, 2\r\n\r\n{}`],
  [
    "a length and chunks",
    400,
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "chunks and a length",
    400,
    `${POST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  [
    "two encodings",
    400,
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ],
  ["an unknown encoding", 400, `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ["chunks not last", 400, `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
  ["a space before the colon", 400, `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  ["a control character before the value", 400, `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`],
  ["a folded header", 400, `${POST}Content-Length:\r\n 2\r\n\r\n{}`],
  ["a negative length", 400, `${POST}Content-Length: -2\r\n\r\n{}`],
  ["a length with a sign", 400, `${POST}Content-Length: +2\r\n\r\n{}`],
  ["a length in hex", 400, `${POST}Content-Length: 0x2\r\n\r\n{}`],
  ["a length of nothing", 400, `${POST}Content-Length: \r\n\r\n{}`],
  ["a length without end", 400, `${POST}Content-Length: 99999999999999999999\r\n\r\n{}`],
  ["a chunk that overflows", 400, `${CHUNKED}fffffffffffffffff\r\n{}`],
  ["a chunk of negative size", 400, `${CHUNKED}-1\r\n{}`],
  ["a chunk of no size", 400, `${CHUNKED}xyz\r\n{}\r\n0\r\n\r\n${SMUGGLED}`],
  ["a chunk longer than it says", 400, `${CHUNKED}2\r\n{}XX0\r\n\r\n${SMUGGLED}`],
  ["chunks by bare line feeds", 400, `${CHUNKED}2\n{}\n0\n\n${SMUGGLED}`],
  ["bare line feeds", 505, "GET /livez HTTP/1.1\nHost: localhost\n\n"],
  ["a bare line feed in the head", 400, "GET /livez HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n"],
  ["a bare carriage return", 400, "GET /livez HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n"],
  ["NUL in a header", 400, `${GET}X: a\0b\r\n\r\n`],
  ["NUL in the path", 505, "GET /li\0vez HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["a name with a space", 400, `${GET}X Y: b\r\n\r\n`],
  ["a header without a name", 400, `${GET}: b\r\n\r\n`],
  ["a header without a colon", 400, `${GET}XY\r\n\r\n`],
  ["no host", 400, "GET /livez HTTP/1.1\r\n\r\n"],
  ["two hosts", 400, `${GET}Host: other.example\r\n\r\n`],
  ["HTTP 0.9", 505, "GET /livez\r\n\r\n"],
  ["HTTP 2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["TLS", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["a header of 64 KiB", 431, `${GET}X: ${"a".repeat(65_536)}\r\n\r\n`],
  ["a path of 64 KiB", 431, `GET /${"a".repeat(65_536)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["a thousand headers", 431, `${GET}${manyHeaders(1_000)}\r\n`],
];

describe("what is no good HTTP", () => {
  test.each(REFUSED)("%s", async (_, status, text) => {
    const { parts, told } = testParts();
    const { url } = await served({ emit: parts.emit });
    const answer = await exchange(url, text);
    // One answer, so that no second request was seen.
    expect(statusesOf(answer)).toEqual([status]);
    expect(told.filter(({ fields }) => fields.request_id === "smuggled")).toEqual([]);
    expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
  });
});

describe("a body that nobody reads", () => {
  test.each([
    ["of the wrong type", POST.replace("application/json", "text/plain"), 415],
    ["compressed", `${POST}Content-Encoding: gzip\r\n`, 415],
    ["without a key", POST.replace(SETTINGS_KEY, "x"), 401],
    ["to an address that takes none", POST.replace("/api/jobs/create", "/api/queues/default/pause/x"), 404],
  ])("%s is not taken for a request", async (_, head, status) => {
    const { parts, told } = testParts();
    const { url } = await served({ emit: parts.emit });
    const text = `${head}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`;
    const answer = await exchange(url, `${text}GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(statusesOf(answer)[0]).toBe(status);
    expect(statusesOf(answer).slice(1)).not.toContain(500);
    expect(told.filter(({ fields }) => fields.request_id === "smuggled")).toEqual([]);
  });
});

describe("content", () => {
  test("that is really compressed is refused, and told what would do", async () => {
    const { url } = await served();
    const response = await fetch(new URL("/api/jobs/create", url), {
      method: "POST",
      body: Bun.gzipSync("{}"),
      headers: { ...AUTHORIZATION, "content-type": "application/json", "content-encoding": "gzip" },
    });
    expect(response.status).toBe(415);
    expect(response.headers.get("accept-encoding")).toBe("identity");
  });

  test.each(["text/xml", "image/*;q=0.5", "", "*/*;q=0", "\x80"])(
    "is JSON whatever Accept wishes: %j",
    async (accept) => {
      const { url } = await served();
      const answer = await exchange(url, `${GET}Accept: ${accept}\r\nConnection: close\r\n\r\n`);
      expect(statusesOf(answer)).toEqual([200]);
      expect(answer.toLowerCase()).toContain("content-type: application/json");
    },
  );
});

function statusesOf(answer: string): number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
}

/** Sends the text byte by byte as it stands, and answers all that came until the other side closed. */
function exchange(url: URL, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect(Number(url.port), url.hostname, () => socket.write(text, "latin1"));
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", () => undefined); // it closes after that, too
  return promise;
}
