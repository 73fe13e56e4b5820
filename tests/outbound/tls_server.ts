import { afterAll } from "bun:test";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { SecureVersion, TLSSocket } from "node:tls";
import type { Certificate } from "../support/certificates.ts";

export interface TlsServer {
  port: number;
  /** The names under which it was asked, one for each request. */
  names: unknown[];
}

/** Answers `hello` over TLS. Gone with the test file. */
export async function tlsServer(certificate: Certificate, version?: SecureVersion): Promise<TlsServer> {
  const names: unknown[] = [];
  const limits = version && { minVersion: version, maxVersion: version };
  const server = createServer({ ...certificate, ...limits }, (request, response) => {
    names.push((request.socket as TLSSocket & { servername?: unknown }).servername);
    response.end("hello");
  });
  server.on("tlsClientError", () => {}); // whom the client does not trust it leaves
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterAll(() => void server.close());
  return { port: (server.address() as AddressInfo).port, names };
}
