import { expect, onTestFinished, test } from "bun:test";
import type { Database } from "../src/db/connect.ts";
import { watchdog } from "../src/watchdog.ts";
import { testDatabase } from "./support/database.ts";
import { proxyTo } from "./support/proxy.ts";
import { until } from "./support/until.ts";

const db = await testDatabase();
const STUCK_MS = 50;

/** A pool as it would be if it could not mend itself. */
const stuck: Database = { ...db, run: () => Promise.reject(new Error("CONNECT_TIMEOUT")) };

/** A watchdog that has started, over `pool`; a new connection goes through the proxy. */
async function watching(pool: Database) {
  const proxy = await proxyTo(db.address);
  let looks = 0;
  const alarms: number[] = [];
  const counted: Database = {
    ...pool,
    run(statement, deadlineMs) {
      looks++;
      return pool.run(statement, deadlineMs);
    },
  };
  const onStuck = (silentMs: number) => void alarms.push(silentMs);
  const dog = watchdog({ db: counted, address: proxy.url, stuckMs: STUCK_MS, onStuck });
  onTestFinished(() => dog.stop());
  return {
    proxy,
    alarms,
    start: dog.start,
    looked: (more: number) => {
      const enough = looks + more;
      return until(`${more} looks`, () => looks >= enough);
    },
  };
}

test("raises no alarm while the pool answers", async () => {
  const { alarms, looked, start } = await watching(db);
  await start();
  await looked(5);
  expect(alarms).toEqual([]);
});

test("raises none during an outage, which is nobody's fault here", async () => {
  const { alarms, looked, proxy, start } = await watching(stuck);
  proxy.cut();
  await start();
  // The first comes too early for an alarm, the second would raise it, the third shows that it did not.
  await looked(3);
  expect(alarms).toEqual([]);
});

test("raises none when an outage ends after the pool was asked and before anybody else is", async () => {
  let asked = 0;
  // The second look comes late enough for an alarm.
  const recovering: Database = {
    ...db,
    run: (statement, deadlineMs) => (++asked > 2 ? db : stuck).run(statement, deadlineMs),
  };
  const { alarms, looked, start } = await watching(recovering);
  await start();
  await looked(4);
  expect(alarms).toEqual([]);
});

test("raises it when the database answers everybody but the pool", async () => {
  const { alarms, start } = await watching(stuck);
  await start();
  await until("the alarm", () => alarms.length > 0);
  expect(alarms[0]).toBeGreaterThan(STUCK_MS);
});
