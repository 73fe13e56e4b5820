import { missingPgBouncer } from "../pgbouncer.ts";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const kills = (world: World) => world.amount(10, 2);

/** All of it through PgBouncer in transaction mode: no session, no notification, five connections for everybody. */
export const pooler: Scenario = {
  name: "pooler",
  fault: "PgBouncer in transaction mode, and SIGKILL of workers",
  dose: (world) => `pool of 5, ${kills(world)} kills`,
  world: { through: "pgbouncer" },
  missing: missingPgBouncer,
  async run(world) {
    await underLoad(world, async () => {
      for (let kill = 0; kill < kills(world); kill++) {
        const victim = world.dice.pick(world.fleet.living("worker"));
        victim.signal("SIGKILL");
        await victim.exited;
        await world.fleet.startWorker();
        await world.wait(world.seconds(10, 2));
      }
      world.healed();
    });
    const told = await Promise.all(
      world.fleet.living("worker").map(async ({ url }) => (await fetch(`${url}/readyz`)).text()),
    );
    if (!told.every((text) => text.includes("polling only")))
      world.find("I20", "a worker does not say that notifications do not arrive");
  },
};
