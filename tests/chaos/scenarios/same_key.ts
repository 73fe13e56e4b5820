import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const keys = (world: World) => world.amount(50, 8);
const CLIENTS = 100;

export const sameKey: Scenario = {
  name: "same-key",
  fault: "the same Idempotency-Key from many clients at once",
  dose: (world) => `${keys(world)} keys, ${CLIENTS} clients`,
  async run(world) {
    for (let key = 0; key < keys(world); key++) {
      const label = `key-${key}`;
      const asked = await Promise.all(Array.from({ length: CLIENTS }, () => world.client.submit({ label })));
      const ids = new Set(asked.map(({ jobId }) => jobId));
      if (ids.size !== 1) world.find("I2", `${label} led to ${ids.size} jobs`);
      const other = await world.client.ask(label, JSON.stringify({ resource_type: "call" }));
      if (other.status !== 422)
        world.find("I2", `another request with ${label} was answered ${other.status}`);
    }
  },
};
