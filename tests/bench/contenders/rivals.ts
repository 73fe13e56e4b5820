import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../support/free_port.ts";
import { until } from "../../support/until.ts";
import type { Contender, Endpoints, Tasks } from "../contender.ts";
import { dependencies } from "../package.json";
import { type Backing, type Rival, rivalContender } from "./rival.ts";
import { RIVER, RIVER_VERSION, riverMissing } from "./river.ts";

const PROGRAMS = join(import.meta.dir, "../rivals");
const BUNQUEUE = join(import.meta.dir, "../node_modules/bunqueue/dist/cli/index.js");
const ALL: (keyof Tasks)[] = ["insert", "single", "drain", "steady", "latency", "footprint"];
const here = async () => undefined;

/** A rival in its fastest mode, and as it comes. */
function inBothModes(
  rival: Omit<Rival, "mode" | "through">,
  fastest: string,
  asItComes: string,
): Contender[] {
  return [
    rivalContender({ ...rival, mode: "fastest", through: fastest }),
    rivalContender({
      ...rival,
      mode: "default",
      through: asItComes,
      tasks: ["insert", "drain", "steady", "latency"],
    }),
  ];
}

export const RIVALS: Contender[] = [
  ...inBothModes(
    {
      name: "graphile-worker",
      store: "postgres",
      version: dependencies["graphile-worker"],
      driver: ["node", join(PROGRAMS, "driver.mjs"), "graphile_worker"],
      tasks: ALL,
      missing: here,
    },
    "its library; local queue of 500, completions in batches, 24 at once; jobs are deleted",
    "its library; one job at a time; jobs are deleted",
  ),
  ...inBothModes(
    {
      name: "pg-boss",
      store: "postgres",
      version: dependencies["pg-boss"],
      driver: ["node", join(PROGRAMS, "driver.mjs"), "pg_boss"],
      tasks: ALL,
      missing: here,
    },
    "its library; fetch and complete by 500 in 4 loops, for latency work() with notifications; history kept",
    "its library; work(), a job every 2 s; history kept",
  ),
  ...inBothModes(
    {
      name: "River",
      store: "postgres",
      version: RIVER_VERSION,
      driver: [RIVER],
      tasks: ALL,
      missing: riverMissing,
    },
    "its library in Go; InsertManyFast, 2,000 workers, fetches every 2 ms; history kept",
    "its library in Go; 100 workers, fetches every 100 ms at most; history kept",
  ),
  ...inBothModes(
    {
      name: "BullMQ",
      store: "redis",
      version: dependencies.bullmq,
      driver: ["node", join(PROGRAMS, "driver.mjs"), "bullmq"],
      tasks: ALL,
      missing: async () =>
        Bun.which("redis-server") ? undefined : "needs Redis: apt-get install redis-server",
      backing: startRedis,
    },
    "its library on Redis, whose log is synced every second, so that a crash may take back so much; 100 at once; history kept",
    "its library on Redis, whose log is synced every second; one job at a time; history kept",
  ),
  ...inBothModes(
    {
      name: "bunqueue",
      store: "postgres",
      version: dependencies.bunqueue,
      driver: [process.execPath, join(PROGRAMS, "driver.mjs"), "bunqueue"],
      tasks: [...ALL, "endpoints"],
      missing: async () => (existsSync(BUNQUEUE) ? undefined : "is not installed"),
      backing: startBunqueue,
      endpoints: bunqueueEndpoints,
    },
    "its server on Postgres, by its TCP client; 100 at once, pulled together; history kept",
    "its server on Postgres, by its TCP client; one job at a time; history kept",
  ),
];

async function startRedis(): Promise<Backing> {
  const [port, dir] = [await freePort(), await mkdtemp(join(tmpdir(), "jobsvc-bench-redis-"))];
  const durable = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""];
  const command = ["redis-server", "--port", `${port}`, "--bind", "127.0.0.1", "--dir", dir, ...durable];
  const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "inherit"] });
  await until("Redis", () => answers(port));
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Its clients speak TCP; where HTTP answers is said behind the address. */
async function startBunqueue({ url }: { url: string }): Promise<Backing> {
  const [tcp, http] = [await freePort(), await freePort()];
  const ports = { HOST: "127.0.0.1", TCP_PORT: `${tcp}`, HTTP_PORT: `${http}` };
  const child = Bun.spawn([process.execPath, BUNQUEUE, "start"], {
    env: { ...Bun.env, ...ports, BUNQUEUE_POSTGRES_URL: url },
    stdio: ["ignore", "ignore", "inherit"],
  });
  await until("bunqueue", async () => (await answers(tcp)) && (await answers(http)));
  return {
    url: `tcp://127.0.0.1:${tcp}#http://127.0.0.1:${http}`,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

async function bunqueueEndpoints(backing: Backing): Promise<Endpoints> {
  const url = new URL(backing.url).hash.slice(1);
  const body = JSON.stringify({ name: "noop", data: { number: 123_456, text: "x".repeat(70) } });
  const create = { path: "/queues/noop/jobs", body };
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}${create.path}`, { method: "POST", body, headers });
  const { id } = (await answer.json()) as { id: string };
  return { url, create, get: `/jobs/${id}` };
}

async function answers(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
