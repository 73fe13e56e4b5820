import { type Scenario, underLoad } from "../scenario.ts";

/** A default that the service did not choose: what cannot be serialized is tried again inside, and nobody sees it. */
function isolation(level: "serializable" | "repeatable read"): Scenario {
  return {
    name: level.replace(" ", "-"),
    fault: `the default isolation is ${level}`,
    dose: (world) => `${world.seconds(25) / 1_000} s`,
    async run(world) {
      await underLoad(world, async () => {
        await world.postgres.ask((sql) =>
          sql.unsafe(`alter role app set default_transaction_isolation = '${level}'`),
        );
        await world.postgres.terminate();
        world.healed();
        await world.wait(world.seconds(25));
      });
      const refused = world.client.submissions.filter(({ tries }) => tries.length > 1);
      if (refused.length > 0) world.find("I25", `${refused.length} clients had to ask again`);
    },
  };
}

export const serializable = isolation("serializable");
export const repeatableRead = isolation("repeatable read");
