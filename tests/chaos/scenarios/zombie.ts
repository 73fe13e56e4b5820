import { until } from "../../support/until.ts";
import type { Member } from "../fleet.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(3);
const jobs = (world: World) => world.amount(60, 24);

/** So long is the worker stopped: the others have long taken its jobs. */
const asleepMs = (world: World) => world.ttlMs * 2.7;

/**
 * A worker is stopped while it waits for the receiver, whose answers arrive in its sleep. When it wakes up it has results
 * in its hands of attempts that were lost long ago: none of them may count.
 */
export const zombie: Scenario = {
  name: "zombie",
  fault: "SIGSTOP of a worker past its lease, then SIGCONT",
  dose: (world) => `${rounds(world)} times, ${jobs(world)} jobs, ${(asleepMs(world) / 1_000).toFixed(1)} s`,
  world: { workers: 2, apis: 1 },
  async run(world) {
    for (let round = 0; round < rounds(world); round++) {
      const asleep = Promise.withResolvers<void>();
      world.receiver.behave(({ attempt }) => (attempt === 1 ? { after: asleep.promise } : undefined));
      await world.client.submitMany(jobs(world));
      const victim = await busiest(world);
      victim.signal("SIGSTOP");
      asleep.resolve();
      await world.wait(asleepMs(world));
      victim.signal("SIGCONT");
      await wokenUp(world, victim);
      await world.settle();
    }
    world.healed();
  },
};

/** The worker for which most calls are under way, once all that the slots allow are. */
async function busiest(world: World) {
  const workers = world.fleet.living("worker");
  const most = Math.min(jobs(world), workers.length * world.slots);
  return await until("calls that are under way", () => {
    const open = world.receiver.calls.filter(({ answeredMs }) => answeredMs === undefined);
    const callsOf = (pid: number) => open.filter(({ worker }) => worker === pid).length;
    const [first] = workers.toSorted((a, b) => callsOf(b.pid) - callsOf(a.pid));
    return open.length >= most && first;
  });
}

/** Long enough to write what it has in its hands. */
const WRITING_MS = 1_000;

/** The others are long through with its jobs: only it can say when it is. */
async function wokenUp(world: World, { url }: Member) {
  await until("the woken worker to have no job left", async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return /^jobsvc_worker_slots_in_use\{.*\} 0$/m.test(text);
  });
  await world.wait(WRITING_MS);
}
