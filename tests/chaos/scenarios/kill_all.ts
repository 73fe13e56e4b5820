import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(5);

export const killAll: Scenario = {
  name: "kill-all",
  fault: "SIGKILL of all workers at once",
  dose: (world) => `${rounds(world)} times`,
  async run(world) {
    world.receiver.behave(() => ({ delayMs: 200 }));
    await underLoad(world, async () => {
      for (let round = 0; round < rounds(world); round++) {
        const victims = world.fleet.living("worker");
        for (const victim of victims) victim.signal("SIGKILL");
        await Promise.all(victims.map((victim) => victim.exited));
        await world.wait(world.dice.about(1_000));
        await Promise.all(victims.map(() => world.fleet.startWorker()));
        await world.wait(world.dice.about(1_000));
      }
    });
  },
};
