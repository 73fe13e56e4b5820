import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { AI_AGENT_BODY, CLIENT_AGENT_BODY, signingSecret } from "../support/agents.ts";
import { api, jobBody } from "../support/api.ts";
import { program } from "../support/binary.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const jobsvc = await program();
const db = await testDatabase();
const proxy = await proxyTo(db.address);
const env = { DATABASE_URL: proxy.url };
const PASSWORD = decodeURIComponent(new URL(proxy.url).password);

const KEY = "key-of-the-first-client";
const WRONG_KEY = "key-of-somebody-else";

const SECRETS_KEY = Buffer.alloc(32, "canary").toString("base64");
const MODEL_KEY = "sk-canary-of-a-model";
const SIGNING_SECRET = signingSecret("q");
const SECRETS = [PASSWORD, KEY, "another-key-of-ours", WRONG_KEY, SECRETS_KEY, MODEL_KEY, SIGNING_SECRET];

describe("a service that others can reach", () => {
  test("does not start without a key", async () => {
    for (const host of ["0.0.0.0", "::"]) {
      const { code, stderr } = await jobsvc.run([`--host=${host}`, "--port=0"], env);
      expect(code).toBe(78);
      expect(stderr).toContain(`--host: ${host} is open to others`);
    }
  });

  test("starts with one, and needs it for everything but the probes and the documentation", async () => {
    const service = await jobsvc.start(["--host=0.0.0.0", "--port=0"], {
      env: { ...env, JOBSVC_API_KEYS: KEY },
    });
    const url = `http://127.0.0.1:${new URL(service.url).port}`;
    const call = (key?: string) => api(url, key ? { authorization: `Bearer ${key}` } : {});
    expect((await call().post("/api/jobs/create", jobBody())).status).toBe(401);
    expect((await call(WRONG_KEY).post("/api/jobs/create", jobBody())).status).toBe(401);
    const id = await call(KEY).create(jobBody({}, { duration_ms: 1 }));
    await call(KEY).reached(id, "completed");
    expect((await call().get(`/api/jobs/${id}`)).status).toBe(401);
    for (const path of ["/api/health", "/livez", "/readyz", "/swagger", "/openapi.json"])
      expect({ path, status: (await call().get(path)).status }).toEqual({ path, status: 200 });
  });
});

describe("whatever happens", () => {
  test("the log is one JSON object a line, and holds neither keys nor the password", async () => {
    const service = await jobsvc.start(
      ["--port=0", "--log-level=debug", "--poll-interval-ms=50", "--worker-ttl-ms=1000"],
      { env: { ...env, JOBSVC_API_KEYS: `${KEY},another-key-of-ours`, JOBSVC_SECRETS_KEYS: SECRETS_KEY } },
    );
    const client = api(service.url, { authorization: `Bearer ${KEY}` });
    const stranger = api(service.url, { authorization: `Bearer ${WRONG_KEY}` });
    await client.reached(await client.create(jobBody({}, { fail: 1, duration_ms: 1 })), "retryable");
    await stranger.post("/api/jobs/create", jobBody());
    await client.get(`/api/jobs/x?key=${KEY}`);
    await client.post("/api/jobs/create", { password: PASSWORD });
    const [model, shop] = [
      "/api/agents/456e7890-e89b-12d3-a456-426614174001",
      `/api/agents/${crypto.randomUUID()}`,
    ];
    expect((await client.put(model, { ...AI_AGENT_BODY, api_key: MODEL_KEY })).status).toBe(201);
    expect((await client.put(shop, { ...CLIENT_AGENT_BODY, signing_secret: SIGNING_SECRET })).status).toBe(
      201,
    );
    expect((await client.put(model, { ...AI_AGENT_BODY, api_key: `${MODEL_KEY}\r\n` })).status).toBe(422);
    await client.reached(await client.create(jobBody({ max_retries: 0, timeout_ms: 5_000 })), "failed"); // nobody is at that address

    proxy.cut();
    await Promise.all([
      service.logged("step.failed"),
      until("readiness to notice", async () => (await client.get("/readyz")).status === 503),
    ]);
    proxy.restore();
    await until("readiness to return", async () => (await client.get("/readyz")).status === 200);
    service.signal("SIGTERM");
    expect(await service.ended).toBe(0);

    const lines = service.stdout().trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({
        level: expect.any(String),
        time: expect.any(String),
        event: expect.any(String),
        msg: expect.any(String),
      });
    const everything = service.stdout() + service.stderr();
    for (const secret of [...SECRETS, encodeURIComponent(PASSWORD)]) expect(everything).not.toContain(secret);
  });
});
