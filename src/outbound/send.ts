import http, { type IncomingMessage, type RequestOptions } from "node:http";
import https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { OutboundError, outboundError } from "./errors.ts";
import type { Target } from "./target.ts";

/** Names, values and line breaks together. */
const MAX_HEADER_BYTES = 32 * 1024;

/** Ours to say, for they are about the connection. */
const OWN_HEADERS = [
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * Sends the request to one of these addresses, on a connection of its own, and answers once the headers of the answer
 * are there. The host's name is what the certificate must be for.
 */
export async function send(
  { url, host, port }: Target,
  addresses: readonly string[],
  request: Request,
): Promise<IncomingMessage> {
  const { signal } = request;
  const body = request.body === null ? undefined : await request.bytes();
  const isTls = url.protocol === "https:";
  const options: RequestOptions & https.RequestOptions = {
    method: request.method,
    host,
    port,
    path: url.pathname + url.search,
    headers: headersOf(request.headers, body),
    lookup: answering(addresses),
    agent: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    signal,
    ...(isTls && {
      // An address has no name to show.
      servername: isIP(host) === 0 ? host.replace(/\.$/, "") : "",
      // The environment could turn it off (NODE_TLS_REJECT_UNAUTHORIZED).
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
    }),
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = (isTls ? https : http).request(options);
  sent.once("response", resolve);
  sent.once("upgrade", (_answer, socket) => {
    socket.destroy();
    reject(new OutboundError("unreadable", "the answer changes to another protocol"));
  });
  sent.on("error", (error) => reject(signal.aborted ? signal.reason : outboundError(error)));
  sent.end(body);
  return await promise;
}

function headersOf(given: Headers, body: Uint8Array | undefined): Record<string, string> {
  const headers = new Headers(given);
  for (const name of OWN_HEADERS) headers.delete(name);
  headers.set("accept-encoding", "identity");
  if (body !== undefined) headers.set("content-length", String(body.byteLength));
  return Object.fromEntries(headers);
}

/** In the place of a name server: only what was checked can be connected to. */
function answering(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host, { all }, answer) => {
    if (all) answer(null, found);
    else answer(null, found[0]!.address, found[0]!.family);
  };
}
