import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const kills = (world: World) => world.amount(10, 3);
const WORKERS = 3;
/** Each is process 1 of its own world, as in containers. */
const ALONE = { wrapper: ["unshare", "--pid", "--fork", "--kill-child"] };

/** What a worker is called is for people. Whoever dies is not taken for its namesakes, nor for the one that follows it. */
export const sameNames: Scenario = {
  name: "same-names",
  fault: "SIGKILL of workers that all have one host name and one process number",
  dose: (world) => `${kills(world)} kills`,
  world: { workers: 0 },
  missing: () =>
    Bun.which("unshare") && Bun.spawnSync([...ALONE.wrapper, "true"]).exitCode === 0
      ? undefined
      : "nobody may number processes anew",
  async run(world) {
    world.receiver.behave(() => ({ delayMs: 200 }));
    await Promise.all(Array.from({ length: WORKERS }, () => world.fleet.startWorker(ALONE)));
    await underLoad(world, async () => {
      await alike(world);
      for (let kill = 0; kill < kills(world); kill++) {
        const victim = world.dice.pick(world.fleet.living("worker"));
        victim.signal("SIGKILL");
        await victim.exited;
        await world.fleet.startWorker(ALONE);
        await world.wait(world.dice.about(1_000));
      }
      world.healed();
    });
  },
};

async function alike(world: World) {
  const rows = await world.postgres.ask((sql) => sql<{ name: string }[]>`select name from jobsvc.workers`);
  if (rows.length !== WORKERS || new Set(rows.map(({ name }) => name)).size !== 1)
    world.find("harness", `the workers are called ${rows.map(({ name }) => name).join(", ")}`);
}
