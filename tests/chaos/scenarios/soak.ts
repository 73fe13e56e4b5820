import { readdirSync, readFileSync } from "node:fs";
import type { Member } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const forMs = (world: World) => world.seconds(3_600, 60);
/** Caches fill, code is compiled, heaps find their size: measured is what comes after. */
const WARM_UP = 0.3;
const SAMPLES = 120;
const MAX_SLOPE_MB = 1;
const MB = 1024 * 1024;

interface Sample {
  atMs: number;
  /** Of all processes together. */
  memory: number;
  files: number;
  connections: number;
}

/** Nothing happens but work, and a restart of Postgres now and then: memory, files and connections stay where they are. */
export const soak: Scenario = {
  name: "soak",
  fault: "time",
  dose: (world) => `${forMs(world) / 60_000} minutes`,
  async run(world) {
    const load = world.client.steady(world.rate);
    const samples: Sample[] = [];
    const begunMs = Date.now();
    const restartEveryMs = forMs(world) / 6;
    let restarts = 0;
    while (Date.now() - begunMs < forMs(world)) {
      if (Date.now() - begunMs > restartEveryMs * (restarts + 1)) {
        await world.postgres.stop("fast");
        await world.postgres.start();
        restarts++;
        await world.wait(2_000);
      }
      samples.push(await sample(world));
      await world.wait(forMs(world) / SAMPLES);
    }
    await load.stop();
    report(world, samples.slice(Math.floor(samples.length * WARM_UP)), restarts);
  },
};

function report(world: World, samples: readonly Sample[], restarts: number) {
  const processes = world.fleet.living().length;
  const slopeMb = (slope(samples, ({ memory }) => memory) * 600_000) / MB / processes;
  const [first, last] = [samples[0]!, samples.at(-1)!];
  world.note(
    `${slopeMb.toFixed(2)} MB in 10 min and process, ${Math.round(last.memory / MB / processes)} MB each; ` +
      `files ${first.files} to ${last.files}, connections ${first.connections} to ${last.connections}; ` +
      `${restarts} restarts of Postgres`,
  );
  // In a few minutes a heap has not yet found its size.
  if (world.amount(60) >= 60 && slopeMb > MAX_SLOPE_MB)
    world.find("I18", `memory grows by ${slopeMb} MB in 10 min`);
}

/** Least squares, per millisecond. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(samples.map(({ atMs }) => atMs)), mean(samples.map(of))];
  const above = samples.reduce((sum, one) => sum + (one.atMs - meanX) * (of(one) - meanY), 0);
  return above / samples.reduce((sum, one) => sum + (one.atMs - meanX) ** 2, 0);
}

async function sample(world: World): Promise<Sample> {
  const members = world.fleet.living();
  const [row] = await world.postgres.ask(
    (sql) => sql<{ open: number }[]>`
    select count(*)::int as open from pg_stat_activity where usename = 'app' and backend_type = 'client backend'`,
  );
  return {
    atMs: Date.now(),
    memory: members.reduce((sum, member) => sum + memoryOf(member), 0),
    files: members.reduce((sum, { pid }) => sum + readdirSync(`/proc/${pid}/fd`).length, 0),
    connections: row!.open,
  };
}

function memoryOf({ pid }: Member): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1024;
}
