import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const LOCKED_ROWS = 10;
const rowsMs = (world: World) => world.seconds(30, 3);
const tableMs = (world: World) => world.seconds(15, 3);

/** An operator's session holds rows, then tables, then rebuilds them. */
export const locks: Scenario = {
  name: "locks",
  fault: "rows and tables locked, REINDEX, VACUUM FULL",
  dose: (world) => `${LOCKED_ROWS} rows ${rowsMs(world) / 1_000} s, tables ${tableMs(world) / 1_000} s`,
  async run(world) {
    await underLoad(world, async () => {
      await lockRows(world);
      for (const table of ["ready", "attempts", "jobs"]) await lockTable(world, table);
      for (const command of [
        "reindex table jobsvc.attempts",
        "vacuum full jobsvc.ready",
        "vacuum full jobsvc.jobs",
      ])
        await world.postgres.ask((sql) => sql.unsafe(command));
      world.healed();
    });
  },
};

/** Others go on meanwhile. */
async function lockRows(world: World) {
  const scheduled_at = new Date(Date.now() + 1_000).toISOString();
  const labels = Array.from({ length: LOCKED_ROWS }, (_, place) => `locked-${place}`);
  for (const label of labels) await world.client.submit({ label, fields: { scheduled_at } });
  const session = world.postgres.session();
  await session.begin(async (sql) => {
    await sql`select from jobsvc.ready where run_at = ${scheduled_at} for update`;
    const before = world.receiver.calls.length;
    await world.wait(rowsMs(world));
    if (world.receiver.calls.length === before) world.find("I24", "nothing ran while a few rows were locked");
    const early = world.receiver.calls.filter(({ label }) => labels.includes(label));
    if (early.length > 0) world.note(`${early.length} had run before they were locked`);
  });
  await session.end();
}

async function lockTable(world: World, table: string) {
  const session = world.postgres.session();
  await session.begin(async (sql) => {
    await sql.unsafe(`lock table jobsvc.${table} in share row exclusive mode`);
    await world.wait(tableMs(world) / 3);
  });
  await session.end();
}
