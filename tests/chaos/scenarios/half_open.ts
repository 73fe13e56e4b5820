import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(3, 2);
const silentMs = (world: World) => world.seconds(60, 6);
const READY_MS = 30_000;
/** The server cannot know that nobody is behind a silent connection any more: with each round more of them stay. */
const ROOM_FOR_SILENT = ["max_connections = 400"];

/** The database seems to be there and never answers: first only to those that are connected, then to everybody. */
export const halfOpen: Scenario = {
  name: "half-open",
  fault: "connections to the database that never carry a byte again",
  dose: (world) => `${rounds(world)} times, ${silentMs(world) / 1_000} s`,
  world: { through: "link", postgres: ROOM_FOR_SILENT },
  async run(world) {
    await underLoad(world, async () => {
      for (let round = 0; round < rounds(world); round++) {
        if (round % 2 === 0) world.link.silence();
        else world.link.swallow();
        await world.wait(silentMs(world));
        world.link.restore();
        world.healed();
        await readyAgain(world);
      }
    });
  },
};

async function readyAgain(world: World) {
  const begunMs = Date.now();
  for (const { url } of world.fleet.living()) {
    while (!(await fetch(`${url}/readyz`)).ok) {
      if (Date.now() - begunMs > READY_MS) return world.find("I20", "not ready long after it was mended");
      await world.wait(50);
    }
  }
}

/** One worker cannot reach the database any more, but everything else: the others take over what it had. */
export const partition: Scenario = {
  name: "partition",
  fault: "one worker cut off from the database past its lease",
  dose: (world) => `${rounds(world)} times, ${(world.ttlMs * 3) / 1_000} s`,
  // Enough slots for the whole load while one of the three is away.
  world: { workers: 2, slots: 60 },
  async run(world) {
    await world.fleet.startWorker({ databaseUrl: world.postgres.url(world.link.port) });
    world.receiver.behave(() => ({ delayMs: 500 }));
    await underLoad(world, async () => {
      for (let round = 0; round < rounds(world); round++) {
        world.link.swallow();
        await world.wait(world.ttlMs * 3);
        world.link.restore();
        world.healed();
        await world.wait(world.ttlMs);
      }
    });
  },
};
