import { describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { MAX_NAME_LENGTH } from "../../src/job/job.ts";
import { announceNow, announcer } from "../../src/queue/announce.ts";
import { announcedWork, WORK_CHANNEL } from "../../src/queue/channels.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

const heard: string[] = [];
await db.listen(
  WORK_CHANNEL,
  (payload) => heard.push(...announcedWork(payload).queues),
  () => undefined,
);

const fail = (error: unknown) => {
  throw error;
};

/** The same database, and what was sent through it. */
function watching() {
  const sent: unknown[] = [];
  const watched: Database = {
    ...db,
    run(statement, deadlineMs) {
      sent.push(statement);
      return db.run(statement, deadlineMs);
    },
  };
  return { watched, sent };
}

describe("announce", () => {
  test("tells the others which queue has work", async () => {
    const { tell } = announcer(db, fail);
    tell(["default"]);
    await until("the notification", () => heard.includes("default"));
    tell(["another"]);
    await until("the next one", () => heard.includes("another"));
  });

  test("tells the first at once, and those of the next moment once for each queue, in one statement", async () => {
    const { watched, sent } = watching();
    heard.length = 0;
    const { tell } = announcer(watched, fail);
    tell(["first"]);
    expect(sent).toHaveLength(1);
    for (let insert = 0; insert < 100; insert++) tell(new Set(["a", `b${insert % 3}`]));
    expect(sent).toHaveLength(1);
    await until("all of them", () => heard.length >= 5);
    announcer(db, fail).tell(["last"]);
    await until("the one after them", () => heard.includes("last"));
    expect(heard.toSorted()).toEqual(["a", "b0", "b1", "b2", "first", "last"]);
    expect(sent).toHaveLength(2);
  });

  test("leaves it to one statement to tell by itself, and waits after it as after one of its own", async () => {
    const { watched, sent } = watching();
    heard.length = 0;
    const { tell, leave } = announcer(watched, fail);
    expect(leave()).toBe(true);
    expect(leave()).toBe(false);
    tell(["later"]);
    expect(sent).toHaveLength(0);
    await until("the notification", () => heard.includes("later"));
    expect(sent).toHaveLength(1);
    expect(leave()).toBe(false);
  });

  test("reports a failure, and works the next time", async () => {
    const reported: unknown[] = [];
    let broken = true;
    const flaky: Database = {
      ...db,
      run: (statement, deadlineMs) =>
        broken ? Promise.reject(new Error("away")) : db.run(statement, deadlineMs),
    };
    heard.length = 0;
    const { tell } = announcer(flaky, (error) => reported.push(error));
    tell(["unheard"]);
    await until("the report", () => reported.length === 1);
    broken = false;
    tell(["heard"]);
    await until("the notification", () => heard.length > 0);
    expect(heard).toEqual(["heard"]);
  });
});

test("many queues are told of in a few notifications, however long their names are", async () => {
  const payloads: string[] = [];
  await db.listen(
    WORK_CHANNEL,
    (payload) => payloads.push(payload),
    () => undefined,
  );
  const queues = Array.from({ length: 1_000 }, (_, place) => `${place}-`.padEnd(MAX_NAME_LENGTH, "x"));
  await announceNow(db, queues);
  const told = () => payloads.flatMap((payload) => announcedWork(payload).queues);
  await until("all of them", () => told().length >= queues.length);
  expect(told().toSorted()).toEqual(queues.toSorted());
  expect(payloads.length).toBeLessThan(10);
});
