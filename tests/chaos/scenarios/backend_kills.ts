import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const kills = (world: World) => world.amount(300, 25);
const PAUSE_MS = 200;

/** Any connection of any process, the ones that listen and the ones that beat included. */
export const backendKills: Scenario = {
  name: "backend-kills",
  fault: "pg_terminate_backend on connections of the service",
  dose: (world) => `${kills(world)} kills, 5 a second`,
  async run(world) {
    let before = 0;
    await underLoad(world, async () => {
      before = await connections(world);
      await killBackends(world);
    });
    await world.settle();
    const after = await connections(world);
    // A pool that had not needed all of its connections yet may have opened them meanwhile.
    const most = world.fleet.living().length * MOST_CONNECTIONS;
    if (after > Math.max(before, most)) world.find("I17", `${before} connections before, ${after} after`);
  },
};

/** One after the other, all the while. */
export async function killBackends(world: World): Promise<void> {
  for (let kill = 0; kill < kills(world); kill++) {
    await world.postgres.terminate({ most: 1 });
    await world.wait(PAUSE_MS);
  }
  world.healed();
}

/** Of one process: its pool, one that listens, one that beats. */
const MOST_CONNECTIONS = 8;

async function connections(world: World): Promise<number> {
  const [row] = await world.postgres.ask(
    (sql) => sql<{ open: number }[]>`
    select count(*)::int as open from pg_stat_activity where usename = 'app' and backend_type = 'client backend'`,
  );
  return row!.open;
}
