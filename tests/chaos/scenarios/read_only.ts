import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(3, 1);
const readOnlyMs = (world: World) => world.seconds(20, 3);

/** As after a failover to a standby, or by an operator's hand. A connection keeps what it was told when it was opened. */
export const readOnly: Scenario = {
  name: "read-only",
  fault: "the database accepts no writes",
  dose: (world) => `${rounds(world)} times, ${readOnlyMs(world) / 1_000} s`,
  async run(world) {
    await underLoad(world, async () => {
      for (let round = 0; round < rounds(world); round++) {
        await setReadOnly(world, "on");
        // New connections are read-only from now on, and it is no longer told to those that the service has.
        await world.postgres.terminate();
        await world.wait(readOnlyMs(world));
        await setReadOnly(world, "off");
        world.healed();
        await world.wait(world.seconds(10, 3));
      }
    });
  },
};

async function setReadOnly(world: World, value: "on" | "off") {
  await world.postgres.ask((sql) =>
    sql.unsafe(`alter role app set default_transaction_read_only = ${value}`),
  );
}
