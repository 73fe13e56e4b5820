import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

/** Long enough that every victim holds some jobs. */
const BUSY_MS = 200;

const kills = (world: World) => world.amount(30, 3);

export const killWorkers: Scenario = {
  name: "kill-workers",
  fault: "SIGKILL of one worker after the other",
  dose: (world) => `${kills(world)} kills`,
  async run(world) {
    world.receiver.behave(() => ({ delayMs: BUSY_MS }));
    await underLoad(world, () => killOneByOne(world, kills(world)));
  },
};

/** Kills a worker and starts another in its place, so many times. */
export async function killOneByOne(world: World, times: number): Promise<void> {
  for (let kill = 0; kill < times; kill++) {
    const victim = world.dice.pick(world.fleet.living("worker"));
    victim.signal("SIGKILL");
    await victim.exited;
    await world.wait(world.dice.about(1_000));
    await world.fleet.startWorker();
    await world.wait(world.dice.about(1_000));
  }
}
