import { join } from "node:path";
import { openLink } from "../../support/link.ts";
import { until } from "../../support/until.ts";
import type { Postgres } from "../postgres.ts";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

/** So far the asynchronous standby lies behind: what was acknowledged in that time goes with the primary. */
const LAG_MS = 300;

/** The primary is killed under load, and the standby takes its place. */
function failover(kind: "synchronous" | "asynchronous"): Scenario {
  return {
    name: `failover-${kind.replace("hronous", "")}`,
    fault: `primary killed, ${kind} standby promoted`,
    dose: () => "once",
    world: { through: "link", mayLose: kind === "asynchronous" },
    async run(world) {
      const standby = await withStandby(world, kind);
      await underLoad(world, async () => {
        await world.wait(world.seconds(5));
        await world.postgres.stop("crash");
        await standby.promote();
        if (kind === "synchronous") await alone(standby);
        world.failOver(standby);
        world.healed();
      });
    },
  };
}

export const failoverSync = failover("synchronous");
export const failoverAsync = failover("asynchronous");

/** Copies the database while it is stopped, and has the copy follow it. */
async function withStandby(world: World, kind: "synchronous" | "asynchronous"): Promise<Postgres> {
  const primary = world.postgres;
  const wire = await openLink({ port: primary.port });
  world.defer(async () => wire.close());
  await primary.stop("fast");
  const standby = await primary.standby(join(world.directory, "standby"), wire.port);
  await primary.start();
  await standby.start();
  world.defer(() => standby.stop("immediate"));
  await until("the standby to follow", async () => {
    const rows = await primary.ask((sql) => sql`select from pg_stat_replication where state = 'streaming'`);
    return rows.length === 1;
  });
  if (kind === "asynchronous") {
    wire.delay(LAG_MS);
    return standby;
  }
  await primary.ask((sql) => sql.unsafe("alter system set synchronous_standby_names = 'standby'"));
  await primary.ask((sql) => sql`select pg_reload_conf()`);
  await until("the standby to be synchronous", async () => {
    const rows = await primary.ask((sql) => sql`select from pg_stat_replication where sync_state = 'sync'`);
    return rows.length === 1;
  });
  return standby;
}

/** Nobody follows it yet; else its first commit would wait for ever. */
async function alone(standby: Postgres) {
  await standby.ask((sql) => sql.unsafe("alter system reset synchronous_standby_names"));
  await standby.ask((sql) => sql`select pg_reload_conf()`);
}
