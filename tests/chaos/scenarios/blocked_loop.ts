import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const jobs = (world: World) => world.amount(20, 2);
const blockMs = (world: World) => world.ttlMs * 1.5;

/** Beats come from a thread of their own: a handler that lets nothing else run is not taken for dead. */
export const blockedLoop: Scenario = {
  name: "blocked-loop",
  fault: "a handler that blocks its process for longer than the lease",
  dose: (world) => `${jobs(world)} times ${blockMs(world) / 1_000} s`,
  world: { workers: 2, apis: 1, slots: 2 },
  async run(world) {
    const blocking = Array.from({ length: jobs(world) }, () =>
      world.client.submit({ payload: { block_ms: blockMs(world) } }),
    );
    await Promise.all(blocking);
    await world.client.submitMany(world.amount(200, 20));
    await world.settle(blockMs(world) * jobs(world) + 60_000);
    const lost = await world.postgres.ask(
      (sql) =>
        sql<{ lost: number }[]>`select count(*)::int as lost from jobsvc.attempts where outcome = 'lost'`,
    );
    if (lost[0]!.lost > 0) world.find("I4", `${lost[0]!.lost} attempts of a busy worker were lost`);
  },
};
