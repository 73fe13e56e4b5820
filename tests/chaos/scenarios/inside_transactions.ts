import { until } from "../../support/until.ts";
import type { Scenario } from "../scenario.ts";
import type { World } from "../world.ts";

const rounds = (world: World) => world.amount(12, 3);
const AFTERWARDS = 100;

/** Statements are held up by a lock, and die in the middle of what they do. */
export const insideTransactions: Scenario = {
  name: "inside-transactions",
  fault: "pg_terminate_backend in the middle of statements",
  dose: (world) => `${rounds(world)} times`,
  async run(world) {
    const load = world.client.steady(world.rate);
    let killed = 0;
    for (let round = 0; round < rounds(world); round++) {
      const session = world.postgres.session();
      const locking = session.begin(async (sql) => {
        await sql`lock table jobsvc.jobs in share row exclusive mode`;
        await until("statements that wait for the lock", async () => (await waiting(world)) > 0);
        killed += await world.postgres.terminate({ where: "wait_event_type = 'Lock'" });
      });
      await locking.catch((error) => world.find("harness", String(error)));
      await session.end();
      await world.wait(world.dice.about(300));
    }
    await load.stop();
    world.healed();
    const after = await world.client.submitMany(AFTERWARDS);
    const repeated = after.filter(({ tries }) => tries.length > 1);
    if (repeated.length > 0)
      world.find("I17", `${repeated.length} of ${AFTERWARDS} requests afterwards failed at first`);
    world.note(`${killed} statements killed`);
  },
};

async function waiting(world: World): Promise<number> {
  const rows = await world.postgres.ask(
    (sql) => sql`select from pg_stat_activity where usename = 'app' and wait_event_type = 'Lock'`,
  );
  return rows.length;
}
