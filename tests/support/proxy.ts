import { afterAll } from "bun:test";
import { createServer, connect as dial, type Socket } from "node:net";
import type { DatabaseAddress } from "../../src/db/connect.ts";

/** A way to the database that a test can close: what a broken network or a restarting server looks like from here. */
export interface Proxy {
  /** For DATABASE_URL and everybody who knows no sockets. */
  url: string;
  /** The database is away: connections break, new ones are refused a moment after they were made. */
  cut(): void;
  restore(): void;
  /** Connections that are open stay open and never carry a byte again, as when a firewall forgets them. New ones work. */
  silence(): void;
}

/** In the URL where the server needs none, for tests that look for it where it must not be. */
const PASSWORD = "Pa55-word.that,nobody:sees";

export async function proxyTo(address: DatabaseAddress): Promise<Proxy> {
  const upstream = typeof address === "string" ? new URL(address) : undefined;
  const pairs = new Set<[Socket, Socket]>();
  let open = true;

  function reach(): Socket {
    if (typeof address !== "string") return dial(`${address.host}/.s.PGSQL.5432`);
    return dial(Number(upstream?.port || 5432), upstream?.hostname);
  }

  const server = createServer((client) => {
    if (!open) return void client.destroy();
    const pair: [Socket, Socket] = [client, reach()];
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed() as typeof pair]) {
      from.on("data", (bytes) => void to.write(bytes));
      from.on("error", () => from.destroy());
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));

  function cut() {
    open = false;
    for (const [client, database] of pairs) {
      client.destroy();
      database.destroy();
    }
  }

  afterAll(() => {
    cut();
    server.close();
  });

  const { port } = server.address() as { port: number };
  return {
    url: urlOf(address, port),
    cut,
    restore() {
      open = true;
    },
    silence() {
      for (const socket of [...pairs].flat()) socket.removeAllListeners("data").resume();
    },
  };
}

/** A server of our own trusts everybody who reaches its socket, so any password will do. */
function urlOf(address: DatabaseAddress, port: number): string {
  if (typeof address !== "string")
    return `postgres://${address.username}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${address.database}`;
  const url = new URL(address);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return url.href;
}
