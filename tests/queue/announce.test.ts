import { describe, expect, test } from "bun:test";
import type { Database } from "../../src/db/connect.ts";
import { announcer } from "../../src/queue/announce.ts";
import { WORK_CHANNEL } from "../../src/queue/channels.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();

const heard: string[] = [];
await db.listen(
  WORK_CHANNEL,
  (queue) => heard.push(queue),
  () => undefined,
);

const fail = (error: unknown) => {
  throw error;
};

describe("announce", () => {
  test("tells the others which queue has work", async () => {
    const announce = announcer(db, fail);
    announce(["default"]);
    await until("the notification", () => heard.includes("default"));
    announce(["another queue"]);
    await until("the next one", () => heard.includes("another queue"));
  });

  test("tells the first at once, and those of the next moment once for each queue, in one statement", async () => {
    const sent: unknown[] = [];
    const watched: Database = {
      ...db,
      run(statement, deadlineMs) {
        sent.push(statement);
        return db.run(statement, deadlineMs);
      },
    };
    heard.length = 0;
    const announce = announcer(watched, fail);
    announce(["first"]);
    expect(sent).toHaveLength(1);
    for (let insert = 0; insert < 100; insert++) announce(new Set(["a", `b${insert % 3}`]));
    expect(sent).toHaveLength(1);
    await until("all of them", () => heard.length >= 5);
    announcer(db, fail)(["last"]);
    await until("the one after them", () => heard.includes("last"));
    expect(heard.toSorted()).toEqual(["a", "b0", "b1", "b2", "first", "last"]);
    expect(sent).toHaveLength(2);
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
    const announce = announcer(flaky, (error) => reported.push(error));
    announce(["unheard"]);
    await until("the report", () => reported.length === 1);
    broken = false;
    announce(["heard"]);
    await until("the notification", () => heard.length > 0);
    expect(heard).toEqual(["heard"]);
  });
});
