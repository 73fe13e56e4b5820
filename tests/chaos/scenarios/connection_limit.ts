import { openSingle, type Sql } from "../../../src/db/connect.ts";
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
      const until = Date.now() + heldMs(world);
      while (Date.now() < until) {
        await world.postgres.terminate({ where: "application_name <> 'held'" });
        held.push(...(await takeAll(world)));
        await world.wait(500);
      }
      await Promise.all(held.map((sql) => sql.end({ timeout: 1 })));
      world.healed();
    });
  },
};

async function takeAll(world: World): Promise<Sql[]> {
  const taken: Sql[] = [];
  for (;;) {
    const sql = await connectionTo(world);
    if (!sql) return taken;
    taken.push(sql);
  }
}

/** Undefined when the server gives none any more. */
async function connectionTo(world: World): Promise<Sql | undefined> {
  const sql = openSingle(world.postgres.url(), "held");
  try {
    await sql`select 1`;
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
  await Promise.all(held.map((sql) => sql?.end({ timeout: 1 })));
  world.healed();
}
