import { afterAll } from "bun:test";
import type { DatabaseAddress } from "../../src/db/connect.ts";
import { type Link, openLink, type Target } from "./link.ts";

/** A link to the database, gone with the test file. */
export interface Proxy extends Link {
  /** For DATABASE_URL and everybody who knows no sockets. */
  url: string;
}

/** In the URL where the server needs none, for tests that look for it where it must not be. */
const PASSWORD = "Pa55-word.that,nobody:sees";

export async function proxyTo(address: DatabaseAddress, port?: number): Promise<Proxy> {
  const link = await openLink(targetOf(address), port);
  afterAll(link.close);
  return { ...link, url: proxyUrl(address, link.port) };
}

function targetOf(address: DatabaseAddress): Target {
  if (typeof address !== "string") return { path: `${address.host}/.s.PGSQL.5432` };
  const { port, hostname } = new URL(address);
  return { port: Number(port || 5432), host: hostname };
}

/** A server of our own trusts everybody who reaches its socket, so any password will do. */
export function proxyUrl(address: DatabaseAddress, port: number): string {
  if (typeof address !== "string")
    return `postgres://${address.username}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/${address.database}`;
  const url = new URL(address);
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return url.href;
}
