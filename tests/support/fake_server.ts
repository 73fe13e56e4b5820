import { afterAll } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { until } from "./until.ts";

/** A request as it came over the wire. */
export interface Call {
  method: string;
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
  /** Resolves when the caller has closed the connection. */
  closed: Promise<void>;
}

/** What the server does with a call. It writes to the socket what it likes, HTTP or not. */
export type Behaviour = (socket: Socket, call: Call) => unknown;

export interface FakeServer {
  url: string;
  port: number;
  /** Calls with this key behave like this: the first like the first, and the last one stays. */
  when(key: string, ...behaviours: Behaviour[]): void;
  /** The calls so far, all or those with this key. */
  calls(key?: string): Call[];
  /** Waits until so many calls with this key have come, and answers the last of them. */
  called(key: string, count?: number): Promise<Call>;
}

/** A server on loopback that misbehaves to order: a call is told apart from others by its key. Gone with the test file. */
export async function fakeServer(keyOf: (call: Call) => string, usual: Behaviour): Promise<FakeServer> {
  const told = new Map<string, Behaviour[]>();
  const heard: { key: string; call: Call }[] = [];
  const open = new Set<Socket>();

  const server = createServer((socket) => {
    open.add(socket);
    const closed = Promise.withResolvers<void>();
    socket.on("error", () => {});
    socket.on("close", () => {
      open.delete(socket);
      closed.resolve();
    });
    let received = Buffer.alloc(0);
    let answered = false;
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes as Buffer]);
      const call = answered ? undefined : callIn(received, closed.promise);
      if (!call) return;
      answered = true;
      const key = keyOf(call);
      heard.push({ key, call });
      const behaviours = told.get(key) ?? [usual];
      const behaviour = behaviours.length > 1 ? behaviours.shift()! : behaviours[0]!;
      void Promise.try(behaviour, socket, call).catch(() => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterAll(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });

  const calls = (key?: string) =>
    heard.filter((one) => key === undefined || one.key === key).map(({ call }) => call);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    when: (key, ...behaviours) => void told.set(key, behaviours),
    calls,
    called: (key, count = 1) => until(`call ${count} of ${key}`, () => calls(key)[count - 1]),
  };
}

/** Undefined as long as the request is not complete. */
function callIn(received: Buffer, closed: Promise<void>): Call | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first, ...lines] = received.subarray(0, end).toString("latin1").split("\r\n");
  const [method, path] = first!.split(" ") as [string, string];
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const body = received.subarray(end + 4);
  if (body.length < Number(headers["content-length"] ?? 0)) return undefined;
  return { method, path, headers, body: body.toString(), closed };
}
