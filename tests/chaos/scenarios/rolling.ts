import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const restarts = (world: World) => world.amount(10, 3);
/** A take that was under way at the signal is given back; a call later than this was begun after it. */
const LAST_START_MS = 2_000;

/** A clean stop costs nothing: no attempt is lost, and the receiver hears of every job exactly once. */
export const rolling: Scenario = {
  name: "rolling",
  fault: "SIGTERM of one worker after the other",
  dose: (world) => `${restarts(world)} restarts`,
  async run(world) {
    world.receiver.behave(() => ({ delayMs: 200 }));
    await underLoad(world, async () => {
      for (let restart = 0; restart < restarts(world); restart++) {
        const leaving = world.dice.pick(world.fleet.living("worker"));
        leaving.signal("SIGTERM");
        const signalledMs = Date.now();
        const code = await leaving.exited;
        if (code !== 0) world.find("I10", `a worker left with ${code}`);
        const late = world.receiver.calls.filter(
          ({ worker, atMs }) => worker === leaving.pid && atMs > signalledMs + LAST_START_MS,
        );
        if (late.length > 0) world.find("I10", `${late.length} jobs were begun after the signal`);
        await world.fleet.startWorker();
      }
    });
    await world.settle();
    const jobs = new Set(world.receiver.calls.map(({ jobId }) => jobId)).size;
    if (world.receiver.calls.length !== jobs)
      world.find("I9", `${world.receiver.calls.length} calls for ${jobs} jobs`);
  },
};
