import { onTestFinished } from "bun:test";
import { connect } from "node:net";
import { type HttpParts, type HttpServer, httpServer } from "../../src/http/server.ts";
import { testAccess, testParts } from "./client.ts";

/** Opens the service in a test that is not about keys. */
export const SETTINGS_KEY = "a-key-of-the-settings-0123456789";
export const AUTHORIZATION = { authorization: `Bearer ${SETTINGS_KEY}` };

/** The service on a port of its own, until the test is over. */
export async function served(changes: Partial<HttpParts> = {}): Promise<HttpServer & { url: URL }> {
  const server = httpServer({
    ...testParts().parts,
    access: testAccess({ settingsKeys: [SETTINGS_KEY] }),
    host: "127.0.0.1",
    port: 0,
    ...changes,
  });
  await server.start();
  onTestFinished(() => server.stop());
  return server as HttpServer & { url: URL };
}

/** Speaks plain TCP, for what a well-behaved client does not send. Answers all that came until the other side closed. */
export function wire(url: URL, lines: readonly string[], body = ""): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  const text = [
    ...lines,
    `Authorization: ${AUTHORIZATION.authorization}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
  const socket = connect(Number(url.port), url.hostname, () => socket.write(text));
  socket.on("data", (data) => {
    answer += data;
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
}
