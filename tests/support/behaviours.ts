import type { Socket } from "node:net";
import type { Behaviour } from "./fake_server.ts";

type Headers = Record<string, string>;

/** Answers as a well-behaved server does. */
export function answers(status: number, body: string | Buffer = "", headers: Headers = {}): Behaviour {
  return (socket) => {
    socket.write(head(status, { "content-length": String(Buffer.byteLength(body)), ...headers }));
    socket.end(body);
  };
}

/** The same with a JSON body. */
export function answersJson(status: number, value: unknown, headers: Headers = {}): Behaviour {
  return answers(status, JSON.stringify(value), { "content-type": "application/json", ...headers });
}

/** Takes the request and says nothing. */
export const hangs: Behaviour = () => {};

/** Breaks the connection off without an answer. */
export const resets: Behaviour = (socket) => socket.resetAndDestroy();

/** Says something that is no HTTP. */
export const babbles: Behaviour = (socket) => socket.end("\u0000\u0001 220 smtp.example ready\r\n\r\n");

/** Begins an answer that is longer than what comes, and breaks off. */
export function breaksOff(status: number, beginning: string, headers: Headers = {}): Behaviour {
  return (socket) => {
    socket.write(head(status, { "content-length": String(beginning.length + 100), ...headers }) + beginning);
    socket.end();
  };
}

/** Answers in parts, waiting before each but the first; without a last one it never ends. */
export function answersInParts(
  parts: readonly string[],
  {
    status = 200,
    headers = {},
    between,
    ends = true,
  }: { status?: number; headers?: Headers; between?: () => Promise<unknown>; ends?: boolean },
): Behaviour {
  return async (socket) => {
    socket.write(head(status, headers));
    for (const [place, part] of parts.entries()) {
      if (place > 0) await between?.();
      socket.write(part);
    }
    if (ends) socket.end();
  };
}

/** A body without an end. */
export function floods(part: string, headers: Headers = {}): Behaviour {
  return (socket) => {
    socket.write(head(200, headers));
    flood(socket, Buffer.from(part));
  };
}

function flood(socket: Socket, part: Buffer) {
  while (!socket.destroyed)
    if (!socket.write(part)) return void socket.once("drain", () => flood(socket, part));
}

/** A few kilobytes that become `bytes` of spaces when they are unpacked. */
export function bombs(bytes: number, headers: Headers = {}): Behaviour {
  return answers(200, Buffer.from(Bun.gzipSync(new Uint8Array(bytes).fill(0x20))), {
    "content-encoding": "gzip",
    ...headers,
  });
}

function head(status: number, headers: Headers): string {
  const lines = Object.entries({ connection: "close", ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `HTTP/1.1 ${status} Whatever\r\n${lines.join("")}\r\n`;
}
