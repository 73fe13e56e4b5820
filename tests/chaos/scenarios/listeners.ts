import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const kills = (world: World) => world.amount(20, 4);
/** A poll and a busy machine. */
const PICK_UP_MS = 5_000;

/** Polling alone is enough: a job waits for the next look at most, and nobody else notices. */
export const listeners: Scenario = {
  name: "listeners",
  fault: "only the connections that listen are killed",
  dose: (world) => `${kills(world)} times`,
  async run(world) {
    const pickUps: number[] = [];
    for (let kill = 0; kill < kills(world); kill++) {
      await world.postgres.terminate({ where: "query ilike 'listen%'" });
      const { label, tries } = await world.client.submit();
      const acknowledgedMs = tries.at(-1)!.atMs + tries.at(-1)!.ms;
      await world.settle();
      const call = world.receiver.calls.find((call) => call.label === label);
      if (call) pickUps.push(call.atMs - acknowledgedMs);
    }
    const slowest = Math.max(...pickUps);
    if (slowest > PICK_UP_MS) world.find("I14", `a job waited ${slowest} ms for a worker`);
    world.note(`picked up within ${Math.max(0, slowest)} ms`);
  },
};
