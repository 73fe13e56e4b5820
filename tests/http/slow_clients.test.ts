import { expect, test } from "bun:test";
import { connect } from "node:net";
import { testParts } from "./client.ts";
import { AUTHORIZATION, served } from "./wire.ts";

const CLIENTS_OF_A_KIND = 50;
/** Nobody holds a connection longer who does not come to the end of a request. */
const PATIENCE_MS = 30_000;

const POST =
  "POST /api/jobs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
  `Authorization: ${AUTHORIZATION.authorization}\r\n`;

/** What each sends at once, what once a second, and what it is told: only who has said what it wants gets an answer. */
const KINDS: Record<string, [head: string, drip: string, told?: string]> = {
  "says nothing": ["", ""],
  "drips a header": ["GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ", "x"],
  "drips headers": ["GET /livez HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n"],
  "drips a body": [`${POST}Content-Length: 1000\r\n\r\n`, " ", "HTTP/1.1 408 "],
  "drips chunks": [`${POST}Transfer-Encoding: chunked\r\n\r\n`, "1\r\n \r\n", "HTTP/1.1 408 "],
};

interface Dropped {
  afterMs: number;
  answer: string;
}

function slowClient(url: URL, [head, drip]: (typeof KINDS)[string]): Promise<Dropped> {
  const { promise, resolve } = Promise.withResolvers<Dropped>();
  const startedAt = performance.now();
  let answer = "";
  const socket = connect(Number(url.port), url.hostname, () => socket.write(head));
  const dripping = setInterval(() => drip !== "" && socket.writable && socket.write(drip), 1_000);
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("error", () => undefined); // it closes after that, too
  socket.on("close", () => {
    clearInterval(dripping);
    resolve({ afterMs: performance.now() - startedAt, answer });
  });
  return promise;
}

test(
  "slow clients by the hundred are dropped within 30 seconds, and meanwhile everybody else is served",
  async () => {
    const { parts, told } = testParts();
    const { url } = await served({ emit: parts.emit });
    let left = Object.keys(KINDS).length * CLIENTS_OF_A_KIND;
    const clients = Object.entries(KINDS).flatMap(([kind, sends]) =>
      Array.from({ length: CLIENTS_OF_A_KIND }, async () => {
        const dropped = await slowClient(url, sends);
        left--;
        return { kind, ...dropped };
      }),
    );

    const waits: number[] = [];
    while (left > 0) {
      const startedAt = performance.now();
      expect((await fetch(new URL("/livez", url))).status).toBe(200);
      waits.push(performance.now() - startedAt);
      await Bun.sleep(20); // a pace, not a wait for anything
    }
    expect(Math.max(...waits)).toBeLessThan(2_000);

    const dropped = await Promise.all(clients);
    expect(Math.max(...dropped.map(({ afterMs }) => afterMs))).toBeLessThan(PATIENCE_MS);
    for (const { kind, answer } of dropped) {
      const [, , expected = ""] = KINDS[kind]!;
      expect(answer.slice(0, "HTTP/1.1 000 ".length)).toBe(expected);
    }
    expect(told.filter(({ name }) => name === "request.failed")).toEqual([]);
  },
  2 * PATIENCE_MS,
);
