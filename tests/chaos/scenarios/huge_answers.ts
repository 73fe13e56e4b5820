import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { secretsKey, signingSecret } from "../../support/agents.ts";
import { until } from "../../support/until.ts";
import type { Member } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const huge = (world: World) => world.amount(20, Object.keys(CASES).length);
const neighbours = (world: World) => world.amount(1_000, 100);
const MB = 1024 * 1024;
const MOST_MEMORY = 512 * MB;
const GIGABYTE = 1024 * MB;
const DEPTH = 1_000_000;
const CLIENT = "456e7890-e89b-12d3-a456-426614174002";
const MODEL = "456e7890-e89b-12d3-a456-426614174003";
const USER = "123e4567-e89b-12d3-a456-426614174000";

interface Case {
  /** Why the job ends as failed. */
  reason: string;
  agent?: string;
  answer(response: ServerResponse): unknown;
}

/** Agents that answer far too much, each in a way of its own. */
const CASES: Record<string, Case> = {
  "a gigabyte": { reason: "too_large", answer: (response) => flood(response.writeHead(200)) },
  "a gigabyte foretold": {
    reason: "too_large",
    answer: (response) => flood(response.writeHead(200, { "content-length": GIGABYTE })),
  },
  "a gigabyte with a refusal": {
    reason: "status_500",
    answer: (response) => flood(response.writeHead(500)),
  },
  "a gigabyte in a bomb": {
    reason: "unreadable",
    answer: (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb()),
  },
  "an open depth": { reason: "invalid_answer", answer: (response) => response.end("[".repeat(DEPTH)) },
  "a closed depth": {
    reason: "invalid_result",
    answer: (response) => response.end("[".repeat(DEPTH / 2) + "]".repeat(DEPTH / 2)),
  },
  "a model's endless line": {
    reason: "too_large",
    agent: MODEL,
    answer: (response) => flood(response.writeHead(200, { "content-type": "text/event-stream" })),
  },
};

/** Whatever agents answer, a process keeps its memory, and the jobs beside it run. */
export const hugeAnswers: Scenario = {
  name: "huge-answers",
  fault: "agents that answer with gigabytes, bombs and depths",
  dose: (world) => `${huge(world)} among ${neighbours(world)}`,
  world: { workers: 0, apis: 0 },
  async run(world) {
    const port = await greedy(world);
    const reachable = {
      args: ["--outbound-http", `--outbound-ports=${port}`, "--outbound-allow=127.0.0.0/8"],
      env: { JOBSVC_SECRETS_KEYS: secretsKey("c") },
    };
    const api = await world.fleet.startApi(reachable);
    await Promise.all([1, 2].map(() => world.fleet.startWorker(reachable)));
    const url = `http://127.0.0.1:${port}`;
    await register(api, CLIENT, { resource_type: "client_agent", url, signing_secret: signingSecret("c") });
    await register(api, MODEL, { resource_type: "ai_agent", base_url: url, model: "endless" });
    const names = Object.keys(CASES);
    const wanted = Array.from({ length: huge(world) }, (_, job) => names[job % names.length]!);
    const [ids] = await Promise.all([
      Promise.all(wanted.map((name) => ask(api, name))),
      world.client.submitMany(neighbours(world)),
    ]);
    await Promise.all(ids.map((id, job) => ended(world, id, wanted[job]!)));
    await world.settle();
    alive(world);
  },
};

/** Answers its port. */
async function greedy(world: World): Promise<number> {
  const server = createServer(async (request, response) => {
    // The webhook has the payload under data; the model is told it as text, and there is one case for it alone.
    const { data } = (await json(request)) as { data?: { payload: { case: string } } };
    const { answer } = CASES[data?.payload.case ?? "a model's endless line"]!;
    response.on("error", () => undefined);
    await answer(response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  world.defer(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A gigabyte of it, unless whoever reads has enough earlier. */
function flood(response: ServerResponse) {
  const part = Buffer.alloc(MB, "x");
  let left = GIGABYTE / MB;
  response.on("drain", send);
  send();

  function send() {
    while (left-- > 0) if (response.closed || !response.write(part)) return;
    response.end();
  }
}

/** Members of a gzip file may follow each other: sixteen of them unpack to a gigabyte. */
function bomb(): Buffer {
  const member = Bun.gzipSync(new Uint8Array(GIGABYTE / 16));
  return Buffer.concat(Array.from({ length: 16 }, () => member));
}

async function register({ url }: Member, resourceId: string, agent: Record<string, unknown>) {
  const { status } = await fetch(`${url}/api/agents/${resourceId}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "greedy", ...agent }),
  });
  if (status !== 201) throw new Error(`the registration of an agent was answered ${status}`);
}

/** Answers the id of a job for the agent of this case. */
async function ask({ url }: Member, name: string): Promise<string> {
  const agent = CASES[name]!.agent ?? CLIENT;
  const response = await fetch(`${url}/api/jobs/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      user_id: USER,
      resource_id: agent,
      resource_type: agent === MODEL ? "ai_agent" : "client_agent",
      payload: { case: name, task: name },
      max_retries: 0,
    }),
  });
  if (response.status !== 201) throw new Error(`a job for an agent was answered ${response.status}`);
  return ((await response.json()) as { job_id: string }).job_id;
}

async function ended(world: World, id: string, name: string) {
  const { reason } = CASES[name]!;
  const outcome = await until(
    `the end of ${name}`,
    async () => {
      const [row] = await world.postgres.ask(
        (sql) => sql<{ outcome: string; reason: string; attempt: number }[]>`
        select outcome, error->>'reason' as reason, attempt from jobsvc.attempts
        where job_id = ${id} and retry_at is null`,
      );
      return row;
    },
    60_000,
  );
  if (outcome.outcome !== "failed" || outcome.reason !== reason || outcome.attempt !== 1)
    world.find(
      "F25",
      `${name}: attempt ${outcome.attempt} ${outcome.outcome}, ${outcome.reason}, not ${reason}`,
    );
}

function alive(world: World) {
  const living = world.fleet.living();
  if (living.length < world.fleet.members.length) world.find("I13", "a process died of an answer");
  const most = Math.max(...living.map(peakMemory));
  if (most > MOST_MEMORY) world.find("I18", `a process took ${Math.round(most / MB)} MB`);
  world.note(`at most ${Math.round(most / MB)} MB in a process`);
}

function peakMemory({ pid }: Member): number {
  const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
