import { expect, test } from "bun:test";
import { answers } from "../support/behaviours.ts";
import { forAgent } from "../support/certificates.ts";
import { fakeServer } from "../support/fake_server.ts";
import { run } from "./errand.ts";
import { tlsServer } from "./tls_server.ts";

const agent = await fakeServer((call) => call.method, answers(200, "of the agent"));
const proxy = await fakeServer((call) => call.method, answers(200, "of the proxy"));

const PROXIES = Object.fromEntries(
  ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].map((name) => [
    name,
    proxy.url,
  ]),
);

test.each([{}, { NODE_USE_ENV_PROXY: "1" }])("no proxy of the environment is used (%p)", async (more) => {
  const env = { ...PROXIES, ...more } as Record<string, string>;
  const rules = { http: true, ports: [agent.port], allow: ["127.0.0.1/32"] };
  const url = `http://agent.test:${agent.port}/`;
  expect(await run({ url, rules, addresses: ["127.0.0.1"] }, env)).toEqual({
    status: 200,
    body: "of the agent",
  });

  const { port } = await tlsServer(forAgent);
  const overTls = { url: `https://agent.test:${port}/`, rules: { ...rules, ports: [port] } };
  expect(await run({ ...overTls, addresses: ["127.0.0.1"] }, env)).toMatchObject({ reason: "untrusted" });
  expect(proxy.calls()).toHaveLength(0);
});

test("a proxy is no way round the guard either", async () => {
  const url = `http://agent.test:${agent.port}/`;
  const rules = { http: true, ports: [agent.port], allow: [] };
  const before = agent.calls().length;
  expect(await run({ url, rules, addresses: ["127.0.0.1"] }, PROXIES)).toMatchObject({ reason: "blocked" });
  expect([agent.calls().length, proxy.calls().length]).toEqual([before, 0]);
});
