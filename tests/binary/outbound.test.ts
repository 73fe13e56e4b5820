import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../src/build.ts";
import { run } from "../outbound/errand.ts";
import { tlsServer } from "../outbound/tls_server.ts";
import { answers, bombs } from "../support/behaviours.ts";
import { AUTHORITY, forAgent, forOther } from "../support/certificates.ts";
import { fakeServer } from "../support/fake_server.ts";

setDefaultTimeout(60_000);

/** The guard in a small executable of its own, made as ours is. */
let command: string[];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jobsvc-outbound-"));
  const outfile = join(folder, "errand");
  await compile({
    main: join(import.meta.dir, "..", "outbound", "program.ts"),
    threads: [],
    assets: [],
    outfile,
  });
  command = [outfile];
  await Bun.write(join(folder, "authority.pem"), AUTHORITY);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const server = await fakeServer((call) => call.path, answers(200, "hello"));
const rules = { http: true, ports: [server.port], allow: ["127.0.0.1/32"] };
const url = (path: string) => `http://agent.test:${server.port}${path}`;
const call = (path: string, changes: object = {}, env: Record<string, string> = {}) =>
  run({ url: url(path), rules, addresses: ["127.0.0.1"], ...changes }, env, command);

test("the guard of the executable calls the address that was checked, and no proxy", async () => {
  const proxy = await fakeServer((call) => call.method, answers(200, "of the proxy"));
  expect(await call("/", {}, { HTTP_PROXY: proxy.url, http_proxy: proxy.url })).toEqual({
    status: 200,
    body: "hello",
  });
  expect(server.calls("/")[0]).toMatchObject({ method: "POST", body: "hello" });
  expect(server.calls("/")[0]!.headers.host).toBe(`agent.test:${server.port}`);
  expect(proxy.calls()).toHaveLength(0);
});

test("it blocks, follows nothing, unpacks nothing, and takes no more than a MiB", async () => {
  server.when("/redirect", answers(302, "there", { location: url("/") }));
  server.when("/bomb", bombs(64 * 1024 * 1024));
  server.when("/huge", answers(200, "x".repeat(2 * 1024 * 1024)));
  expect(await call("/", { rules: { ...rules, allow: [] } })).toMatchObject({ reason: "blocked" });
  expect(await call("/", { url: "file:///etc/passwd" })).toMatchObject({ reason: "blocked" });
  expect(await call("/redirect")).toEqual({ status: 302, body: "there" });
  expect(await call("/bomb")).toMatchObject({ reason: "unreadable" });
  expect(await call("/huge")).toMatchObject({ reason: "too_large" });
});

test("it trusts a certificate for the name that was asked for, and no other", async () => {
  const [good, other] = [await tlsServer(forAgent), await tlsServer(forOther)];
  const env = { NODE_EXTRA_CA_CERTS: join(folder, "authority.pem") };
  const over = (port: number) => ({ url: `https://agent.test:${port}/`, rules: { ...rules, ports: [port] } });
  expect(await call("/", over(good.port), env)).toEqual({ status: 200, body: "hello" });
  expect(good.names).toEqual(["agent.test"]);
  expect(await call("/", over(other.port), env)).toMatchObject({ reason: "untrusted" });
  expect(await call("/", over(good.port))).toMatchObject({ reason: "untrusted" });
});
