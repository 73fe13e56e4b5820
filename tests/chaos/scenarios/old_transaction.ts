import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const heldMs = (world: World) => world.seconds(600, 10);

/** Nothing that dies can be cleaned away as long as somebody might still look at it. */
export const oldTransaction: Scenario = {
  name: "old-transaction",
  fault: "a transaction held open under load",
  dose: (world) => `${heldMs(world) / 1_000} s`,
  async run(world) {
    await underLoad(world, () => holdTransaction(world, heldMs(world)));
  },
};

/** Whatever is deleted meanwhile stays in the way of everybody. */
export async function holdTransaction(world: World, ms: number): Promise<void> {
  const session = world.postgres.session();
  await session.begin("isolation level repeatable read", async (sql) => {
    await sql`select count(*) from jobsvc.jobs`;
    await world.wait(ms);
  });
  await session.end();
  world.healed();
}
