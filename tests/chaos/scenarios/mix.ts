import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const forMs = (world: World) => world.seconds(1_800, 20);
/** As the service has it, with any dose: a connection that falls silent is given up after 5 s, and a lease has to outlast that. */
const TTL_MS = 15_000;

type Fault = (world: World) => Promise<void>;

/** What may happen at any time, each mended again before the next. */
const FAULTS: Record<string, Fault> = {
  async "kill a worker"(world) {
    const victim = world.dice.pick(world.fleet.living("worker"));
    victim.signal("SIGKILL");
    await victim.exited;
    await world.fleet.startWorker();
  },
  async "kill an API"(world) {
    const victim = world.dice.pick(world.fleet.living("api"));
    victim.signal("SIGKILL");
    await victim.exited;
    await world.fleet.startApi();
  },
  async "replace a worker"(world) {
    const leaving = world.dice.pick(world.fleet.living("worker"));
    leaving.signal("SIGTERM");
    const code = await leaving.exited;
    if (code !== 0) world.find("I10", `a worker left with ${code}`);
    await world.fleet.startWorker();
  },
  async "a worker sleeps"(world) {
    const sleeper = world.dice.pick(world.fleet.living("worker"));
    sleeper.signal("SIGSTOP");
    await world.wait(world.dice.about(world.ttlMs));
    sleeper.signal("SIGCONT");
  },
  async "Postgres restarts"(world) {
    await world.postgres.stop(world.dice.pick(["fast", "immediate"]));
    await world.postgres.start();
    world.healed();
  },
  async "Postgres stands still"(world) {
    world.postgres.freeze(true);
    await world.wait(world.dice.about(1_500));
    world.postgres.freeze(false);
    world.healed();
  },
  async "connections are killed"(world) {
    await world.postgres.terminate({ most: 1 + world.dice.below(10) });
  },
  async "connections fall silent"(world) {
    world.link.silence();
    await world.wait(world.dice.about(1_000));
  },
  async "the network is away"(world) {
    world.link.cut();
    await world.wait(world.dice.about(1_000));
    world.link.restore();
    world.healed();
  },
  async "the network resets"(world) {
    world.link.reset();
  },
  async "the network is slow"(world) {
    world.link.delay(50);
    await world.wait(world.dice.about(1_500));
    world.link.restore();
  },
};

export const mix: Scenario = {
  name: "mix",
  fault: "anything, at any time",
  dose: (world) => `${forMs(world) / 1_000} s`,
  world: { through: "link", ttlMs: TTL_MS },
  async run(world) {
    const happened: string[] = [];
    world.receiver.behave(() => ({ delayMs: world.dice.about(200) }));
    await underLoad(world, async () => {
      const until = Date.now() + forMs(world);
      while (Date.now() < until) {
        const name = world.dice.pick(Object.keys(FAULTS));
        happened.push(name);
        await FAULTS[name]!(world);
        await world.wait(world.dice.about(500));
      }
      world.healed();
    });
    world.note(`${happened.length} faults`);
  },
};
