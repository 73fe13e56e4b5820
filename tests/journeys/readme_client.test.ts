import { expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { secretsKey } from "../support/agents.ts";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { freePort } from "../support/free_port.ts";
import { proxyTo } from "../support/proxy.ts";
import { newSecret } from "../support/receiver.ts";
import { startService } from "../support/service.ts";
import { allEvents, brief } from "../support/sse.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const README = join(import.meta.dir, "../../README.md");
const CLIENT = "456e7890-e89b-12d3-a456-426614174002";

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

/** The client of the README's chapter, word for word but for its port. */
async function startClient(secret: string): Promise<number> {
  const chapter = (await Bun.file(README).text()).match(/\n### Calling back\n(.*?)\n### /s)![1]!;
  const port = await freePort();
  const program = chapter.match(/\n```python\n(.*?)\n```\n/s)![1]!.replace("9000", String(port));
  const client = Bun.spawn(["python3", "-c", program], {
    env: { ...process.env, SIGNING_SECRET: secret },
    stdio: ["ignore", "ignore", "ignore"],
  });
  onTestFinished(async () => {
    client.kill();
    await client.exited;
  });
  const post = () => fetch(`http://127.0.0.1:${port}`, { method: "POST", body: "{}" });
  await until("the client to refuse who has no secret", async () => {
    const answer = await post().catch(() => undefined);
    return answer?.status === 401;
  });
  return port;
}

test("the client of the README checks who calls, does the job and calls back", async () => {
  const secret = newSecret();
  const [client, own] = [await startClient(secret), await freePort()];
  const { url } = await startService({
    args: [
      `--port=${own}`,
      "--outbound-http",
      `--outbound-ports=${client}`,
      "--outbound-allow=127.0.0.0/8",
      `--public-url=http://127.0.0.1:${own}`,
    ],
    env: { DATABASE_URL, JOBSVC_SECRETS_KEYS: secretsKey("r") },
  });
  const agent = await fetch(`${url}/api/agents/${CLIENT}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resource_type: "client_agent",
      name: "the shop",
      url: `http://127.0.0.1:${client}/jobs`,
      signing_secret: secret,
    }),
  });
  expect(agent.status).toBe(201);
  const jobs = api(url);
  const payload = { task: "greet" };
  const id = await jobs.create(jobBody({ resource_type: "client_agent", resource_id: CLIENT, payload }));
  expect(await jobs.reached(id, "completed")).toMatchObject({ result: { done: payload } });
  const told = (await allEvents(await jobs.get(`/api/jobs/${id}/events`))).map(brief);
  expect(told).toContain("1 progress 50 half of it");
});
