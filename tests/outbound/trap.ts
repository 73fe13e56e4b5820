import { onTestFinished } from "bun:test";
import { type AddressInfo, createServer } from "node:net";

export interface Trap {
  port: number;
  /** How many connections came. */
  connections(): number;
}

/** Takes connections and counts them: nobody may come here. Gone with the test. */
export async function trap(host = "127.0.0.1", port = 0): Promise<Trap> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncaught");
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}
