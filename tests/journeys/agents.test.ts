import { describe, expect, test } from "bun:test";
import { agentsJourney } from "../support/agents_journey.ts";
import { api, jobBody } from "../support/api.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { startService } from "../support/service.ts";

const db = await testDatabase();
const { url: DATABASE_URL } = await proxyTo(db.address);

await agentsJourney({
  start: (args, env = {}) => startService({ args, env: { DATABASE_URL, ...env }, lives: "file" }),
});

describe("an agent that is not registered", () => {
  test("fails its jobs where that is wished", async () => {
    const other = await testDatabase();
    const { url } = await proxyTo(other.address);
    const service = await startService({
      args: ["--port=0", "--unregistered-agents=fail"],
      env: { DATABASE_URL: url },
    });
    const jobs = api(service.url);
    for (const resource_type of ["ai_agent", "client_agent"]) {
      const id = await jobs.create(jobBody({ resource_type, max_retries: 0 }));
      const job = await jobs.reached(id, "failed");
      expect(job.attempts[0]!.error).toMatchObject({
        message: "no agent is registered for this job",
        reason: "unregistered_agent",
      });
    }
  });
});
