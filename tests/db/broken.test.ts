import { expect, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { testDatabase } from "../support/database.ts";

const db = await testDatabase();

/** Three connections that broke at once, as at a failover, with three statements that find them broken. */
async function brokenPool(name: string) {
  const pool = connect({ address: db.address, name, connections: 3, prepare: true });
  const three = () => [1, 2, 3].map((n) => pool.run((sql) => sql`select pg_sleep(0.01), ${n}::int`));
  await Promise.all(three());
  await db.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name}`;
  return { pool, three };
}

test("statements that find their connections broken go by new ones, none of which gets stuck", async () => {
  for (let round = 0; round < 8; round++) {
    const { pool, three } = await brokenPool(`broken ${round}`);
    const begun = performance.now();
    await Promise.all(three());
    // What got stuck would first have to miss the time limit of a connection, which is longer.
    expect(performance.now() - begun).toBeLessThan(3_000);
    const closing = performance.now();
    await pool.close();
    expect(performance.now() - closing).toBeLessThan(3_000);
  }
});
