import { openSingle, type Sql } from "../../../src/db/connect.ts";
import { within } from "../../../src/db/deadline.ts";
import { until } from "../../support/until.ts";
import { type Scenario, underLoad } from "../scenario.ts";
import type { World } from "../world.ts";

const heldMs = (world: World) => world.seconds(60, 5);

/** Somebody takes every connection that the server gives, and the service has to come back without any. */
export const connectionLimit: Scenario = {
  name: "connection-limit",
  fault: "all connections of the server taken by others",
  dose: (world) => `${heldMs(world) / 1_000} s`,
  world: { postgres: ["max_connections = 60"] },
  async run(world) {
    await underLoad(world, async () => {
      const held: Sql[] = [];
      const endMs = Date.now() + heldMs(world);
      while (Date.now() < endMs) {
        // The slots that are kept for us may be taken, too, for as long as those who were ended are not gone.
        await world.postgres.terminate({ where: "application_name <> 'held'" }).catch(() => undefined);
        held.push(...(await takeAll(world)));
        await world.wait(500);
      }
      await release(world, held);
    });
  },
};

/** By the server, too: a driver whose connection came to nothing in the middle may not end what it has. */
async function release(world: World, held: readonly (Sql | undefined)[]): Promise<void> {
  await Promise.all(held.map((sql) => sql?.end({ timeout: 1 })));
  await until("the held connections to be gone", () =>
    world.postgres.terminate({ where: "application_name = 'held'" }).then(
      (ended) => ended === 0,
      () => false,
    ),
  );
  world.healed();
}

async function takeAll(world: World): Promise<Sql[]> {
  const taken: Sql[] = [];
  for (;;) {
    const sql = await connectionTo(world);
    if (!sql) return taken;
    taken.push(sql);
  }
}

/** After this the driver waits for a connection that it has lost. */
const PATIENCE_MS = 5_000;

/** Undefined when the server gives none any more. */
async function connectionTo(world: World): Promise<Sql | undefined> {
  const sql = openSingle(world.postgres.url(), "held");
  try {
    await within(PATIENCE_MS, sql`select 1`, () => undefined);
    return sql;
  } catch {
    await sql.end({ timeout: 1 });
    return undefined;
  }
}

const IDLE = 300;
/** A server that gives so many, and enough for the service. */
export const ROOM_FOR_IDLE = [`max_connections = ${IDLE + 100}`];

/** As the public score board does it: many connections that do nothing. */
export const idleConnections: Scenario = {
  name: "idle-connections",
  fault: `${IDLE} idle connections held by others`,
  dose: (world) => `${heldMs(world) / 1_000} s`,
  world: { postgres: ROOM_FOR_IDLE },
  async run(world) {
    await underLoad(world, () => holdIdle(world));
  },
};

export async function holdIdle(world: World): Promise<void> {
  const held = await Promise.all(Array.from({ length: IDLE }, () => connectionTo(world)));
  await world.wait(heldMs(world));
  await release(world, held);
}
