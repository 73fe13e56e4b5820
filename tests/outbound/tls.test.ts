import { afterAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guardedFetch } from "../../src/outbound/guarded_fetch.ts";
import {
  AUTHORITY,
  type Certificate,
  expired,
  forAddress,
  forAgent,
  forOther,
  selfSigned,
} from "../support/certificates.ts";
import { run } from "./errand.ts";
import { tlsServer } from "./tls_server.ts";

const folder = await mkdtemp(join(tmpdir(), "jobsvc-tls-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
await Bun.write(join(folder, "authority.pem"), AUTHORITY);

/** An environment in which the authority of these tests is one of those that are trusted. */
const TRUSTING = { NODE_EXTRA_CA_CERTS: join(folder, "authority.pem") };

const call = (port: number, host = "agent.test", env: Record<string, string> = TRUSTING) =>
  run(
    {
      url: `https://${host}:${port}/`,
      rules: { http: false, ports: [port], allow: ["127.0.0.1/32"] },
      addresses: ["127.0.0.1"],
    },
    env,
  );

const untrusted = (code: string) => ({
  reason: "untrusted",
  message: `the connection cannot be trusted (${code})`,
});

describe("a server is trusted that shows a certificate for the name that was asked for:", () => {
  test("and hears that name, although the call goes to an address", async () => {
    const { port, names } = await tlsServer(forAgent);
    expect(await call(port)).toEqual({ status: 200, body: "hello" });
    expect(await call(port, "agent.test.")).toEqual({ status: 200, body: "hello" });
    expect(names).toEqual(["agent.test", "agent.test"]);
  });

  test("or for its address, where that was asked for", async () => {
    const { port } = await tlsServer(forAddress);
    expect(await call(port, "127.0.0.1")).toEqual({ status: 200, body: "hello" });
  });
});

describe("nothing is sent to a server", () => {
  const REFUSED: [what: string, certificate: Certificate, code: string][] = [
    ["for another name", forOther, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["for its address alone", forAddress, "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["that is over", expired, "CERT_HAS_EXPIRED"],
    ["that it signed itself", selfSigned, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ];

  test.each(REFUSED)("with a certificate %s", async (_, certificate, code) => {
    const { port, names } = await tlsServer(certificate);
    expect(await call(port)).toEqual(untrusted(code));
    expect(names).toEqual([]);
  });

  test("with a certificate of an authority that nobody here knows, whatever the environment says", async () => {
    const { port, names } = await tlsServer(forAgent);
    for (const env of [{}, { NODE_TLS_REJECT_UNAUTHORIZED: "0" }] as Record<string, string>[])
      expect(await call(port, "agent.test", env)).toEqual(untrusted("UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
    expect(names).toEqual([]);
  });

  test.each(["TLSv1", "TLSv1.1"] as const)("that speaks %s at most", async (version) => {
    const { port } = await tlsServer(forAgent, version);
    expect(await call(port)).toEqual(untrusted("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"));
  });

  test("that does not speak TLS", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const port = server.port!;
    const fetch = guardedFetch({ http: false, ports: [port], allow: ["127.0.0.1/32"] }, async () => [
      "127.0.0.1",
    ]);
    const error = await fetch(`https://agent.test:${port}/`).catch((error) => error);
    expect(error).toMatchObject({ name: "OutboundError", reason: "untrusted" });
    await server.stop(true);
  });
});
