import { join } from "node:path";
import { version } from "../../package.json";
import { openSingle, type Sql } from "../../src/db/connect.ts";
import type { BenchDatabase, Contender, Measured } from "./contender.ts";

const MAIN = join(import.meta.dir, "../../src/main.ts");
/** Jobs in one request. */
const BATCH = 5_000;
/** Requests at the same time. */
const CLIENTS = 2;
const LOOK_EVERY_MS = 20;

const PAYLOAD = JSON.stringify({ simulate: { duration_ms: 0 }, text: "x".repeat(60) });

/** Its public way: batches over HTTP, and a worker process that runs a real handler for each job. */
export const jobsvc: Contender = {
  name: "jobsvc",
  version,
  through: "HTTP batches, a worker process; done jobs are kept",
  async measure(database, jobs): Promise<Measured> {
    const sql = openSingle(database, "jobsvc bench");
    const api = await start(database, ["--role=api", "--port=0", "--enqueue-per-minute=0"]);
    const insertStarted = performance.now();
    await insert(api.url, jobs);
    const insertSeconds = seconds(insertStarted);

    const drainStarted = performance.now();
    const worker = await start(database, ["--role=worker", "--client-agent-simulation-ms=0"]);
    await ended(sql, jobs);
    const drainSeconds = seconds(drainStarted);
    await Promise.all([stop(api.process), stop(worker.process)]);
    await sql.end();
    return { insertSeconds, drainSeconds };
  },
};

async function start({ url }: BenchDatabase, flags: string[]) {
  const process = Bun.spawn(["bun", MAIN, "--log-level=warn", ...flags], {
    env: { ...Bun.env, DATABASE_URL: url },
    stdout: "inherit",
    stderr: "pipe",
  });
  let told = "";
  for await (const chunk of process.stderr) {
    told += new TextDecoder().decode(chunk);
    if (told.includes("jobsvc is running")) break;
  }
  if (!told.includes("jobsvc is running")) throw new Error(`jobsvc did not start: ${told}`);
  return { process, url: told.match(/http:\/\/[^/\s]+/)?.[0] ?? "" };
}

async function insert(url: string, jobs: number) {
  let left = jobs;
  async function client() {
    while (left > 0) {
      const count = Math.min(BATCH, left);
      left -= count;
      const body = JSON.stringify(Array.from({ length: count }, job));
      const answer = await fetch(`${url}/api/jobs/batch`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      });
      if (answer.status !== 201) throw new Error(`the batch was refused: ${await answer.text()}`);
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

function job() {
  return {
    user_id: "123e4567-e89b-12d3-a456-426614174000",
    resource_type: "client_agent",
    resource_id: "456e7890-e89b-12d3-a456-426614174001",
    payload: PAYLOAD,
  };
}

async function ended(sql: Sql, jobs: number) {
  for (;;) {
    const [row] = await sql`select coalesce(sum(jobs), 0)::int as ended from jobsvc.tallies`;
    if (row?.ended >= jobs) return;
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

async function stop(process: Bun.Subprocess) {
  process.kill("SIGTERM");
  await process.exited;
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}
