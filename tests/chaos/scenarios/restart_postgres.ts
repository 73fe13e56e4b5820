import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(5, 1);

/** Twice what is promised, on a busy machine; the first is looked at only where the outage is longer. */
const UNREADY_MS = 5_000;
const READY_MS = 20_000;

/** Every process says that it cannot work, or that it can again; and it lives all the while. */
async function readiness(world: World, status: number, withinMs: number) {
  const until = Date.now() + withinMs;
  await Promise.all(
    world.fleet.living().map(async ({ url }) => {
      if ((await statusOf(`${url}/livez`)) !== 200) world.find("I20", "a process did not say that it lives");
      while ((await statusOf(`${url}/readyz`)) !== status) {
        if (Date.now() > until) return world.find("I20", `/readyz was not ${status} after ${withinMs} ms`);
        await world.wait(50);
      }
    }),
  );
}

async function statusOf(url: string): Promise<number> {
  const { status } = await fetch(url);
  return status;
}

/** Once, and until every process says that it can work again. */
export async function restartPostgres(world: World, how: "fast" | "immediate", downMs = 0): Promise<void> {
  await world.postgres.stop(how);
  const stopped = Date.now();
  if (downMs > UNREADY_MS) await readiness(world, 503, UNREADY_MS);
  await world.wait(downMs - (Date.now() - stopped));
  await world.postgres.start();
  world.healed();
  await readiness(world, 200, READY_MS);
}

/** Postgres stops in one of its ways and is back after `downS` seconds. */
function restart(name: string, how: "fast" | "immediate", downS: number): Scenario {
  const down = (world: World) => world.seconds(downS, Math.min(downS, 3));
  return {
    name,
    fault: `PostgreSQL stopped (${how})`,
    dose: (world) => `${rounds(world)} times, ${down(world) / 1_000} s down`,
    async run(world) {
      await underLoad(world, async () => {
        for (let round = 0; round < rounds(world); round++) {
          await restartPostgres(world, how, down(world));
          await world.wait(world.seconds(20, 2));
        }
      });
    },
  };
}

export const postgresFast = restart("postgres-fast", "fast", 0);
export const postgresImmediate = restart("postgres-immediate", "immediate", 0);
export const postgresDown = restart("postgres-down", "immediate", 60);
