import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(5, 1);

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
          await world.postgres.stop(how);
          await world.wait(down(world));
          await world.postgres.start();
          world.healed();
          await world.wait(world.seconds(20, 2));
        }
      });
    },
  };
}

export const postgresFast = restart("postgres-fast", "fast", 0);
export const postgresImmediate = restart("postgres-immediate", "immediate", 0);
export const postgresDown = restart("postgres-down", "immediate", 60);
