import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { states } from "../support/facts.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

const start = (...args: string[]) => startService({ args: ["--port=0", ...args], env: { DATABASE_URL } });

/** Longer than the test may take. */
const LONG = "?wait=60";

describe("a client that waits for a result", () => {
  test("gets it from a process that does not run the job, as soon as it is there", async () => {
    const client = api((await start("--role=api")).url);
    const answer = client.post(`/api/jobs${LONG}`, jobBody({}, { duration_ms: 200 }));
    await until("the job to be there", async () => (await states(db)).available === 1);
    await start("--role=worker");
    const response = await answer;
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({ state: "completed" });
  });

  test("is answered at once when the service is told to stop, which then stops", async () => {
    const service = await start("--role=api");
    const client = api(service.url);
    const id = await client.create(jobBody({ resource_type: "nobody_knows_it" }));
    const answers = [
      client.get(`/api/jobs/${id}${LONG}`),
      client.post(`/api/jobs${LONG}`, jobBody({ queue: "q" })),
    ];
    await until("both jobs to be there", async () => (await states(db)).available === 2);
    service.signal("SIGTERM");
    for (const [place, answer] of answers.entries()) {
      const response = await answer;
      expect(response.status).toBe(place === 0 ? 200 : 201);
      expect(await response.json()).toMatchObject({ state: "available" });
    }
    expect(await service.ended).toBe(0);
  });
});
