import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const posts = (world: World) => world.amount(5_000, 300);
const kills = (world: World) => world.amount(10, 2);

/** The clients repeat with the same key until they are heard: each gets one job, however often the API died. */
export const killApi: Scenario = {
  name: "kill-api",
  fault: "SIGKILL of an API while it takes jobs in",
  dose: (world) => `${posts(world)} requests, ${kills(world)} kills`,
  async run(world) {
    const wanted = posts(world);
    let asked = true;
    const asking = world.client.submitMany(wanted).finally(() => {
      asked = false;
    });
    for (let kill = 1; kill <= kills(world); kill++) {
      const enough = () => world.client.submissions.length >= (wanted * kill) / (kills(world) + 1);
      while (asked && !enough()) await world.wait(2);
      const victim = world.dice.pick(world.fleet.living("api"));
      victim.signal("SIGKILL");
      await victim.exited;
      await world.fleet.startApi();
    }
    await asking;
    world.healed();
  },
};
