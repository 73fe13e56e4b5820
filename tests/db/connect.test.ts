import { afterAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { type ConnectOptions, connect, type Database } from "../../src/db/connect.ts";
import { DeadlineError } from "../../src/db/deadline.ts";
import { testDatabase } from "../support/database.ts";
import { freePort } from "../support/free_port.ts";
import { proxyTo, proxyUrl } from "../support/proxy.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();
const open: Database[] = [];
afterAll(() => Promise.all(open.map((db) => db.close())));

let count = 0;

/** A pool of its own for a test, and the name by which its connections are known to the server. */
function pool(changes: Partial<ConnectOptions> = {}) {
  const name = `jobsvc test connect ${++count}`;
  const own = connect({ address: db.address, name, connections: 3, prepare: true, ...changes });
  open.push(own);
  return { ...own, name };
}

const one = (db: Database, deadlineMs?: number) => db.run((sql) => sql`select 1 as n`, deadlineMs);

const backend = async (db: Database) => {
  const [row] = await db.run((sql) => sql<{ pid: number }[]>`select pg_backend_pid() as pid`);
  return row!.pid;
};

/** What a statement met that should not have answered. */
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

const connections = async (name: string, state: string) =>
  (await db.sql`select from pg_stat_activity where application_name = ${name} and state = ${state}`).length;

const terminate = (name: string) =>
  db.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name}`;

/** A statement that meets an error of the given state. */
const raise = (state: string) => `do $$ begin raise exception using errcode = '${state}'; end $$`;

describe("a statement", () => {
  test("is sent again when its connection is terminated under it, as often as that happens", async () => {
    const own = pool();
    for (let kill = 0; kill < 5; kill++) {
      const answers = Array.from({ length: 6 }, (_, n) =>
        own.run((sql) => sql<{ n: number }[]>`select ${n}::int as n, pg_sleep(0.1)::text`),
      );
      await until("statements that run", async () => (await connections(own.name, "active")) > 0);
      await terminate(own.name);
      expect((await Promise.all(answers)).map(([row]) => row!.n)).toEqual([0, 1, 2, 3, 4, 5]);
    }
    expect(await one(own)).toMatchObject([{ n: 1 }]);
  });

  test("finds its way when all connections were terminated while nobody used them", async () => {
    const own = pool();
    await Promise.all([one(own), one(own), one(own)]);
    await terminate(own.name);
    expect(await Promise.all([one(own), one(own), one(own), one(own)])).toHaveLength(4);
  });

  test("waits for a database that is away, and is answered when it is back", async () => {
    const proxy = await proxyTo(db.address);
    const own = pool({ address: proxy.url });
    await one(own);
    proxy.cut();
    const answers = Promise.all([one(own), one(own)]);
    expect(await failure(one(own, 600))).toBeInstanceOf(Error);
    proxy.restore();
    expect(await answers).toHaveLength(2);
  });

  test("finds its way when its connection was opened while the server was read-only", async () => {
    const readOnly = (value: "on" | "off") =>
      db.sql.unsafe(
        `do $$ begin execute format('alter database %I set default_transaction_read_only = ${value}', current_database()); end $$`,
      );
    const own = pool();
    const write = (deadlineMs?: number) =>
      own.run(
        (sql) => sql`insert into jobsvc.queues (name) values ('read') on conflict do nothing`,
        deadlineMs,
      );
    await readOnly("on");
    expect(await failure(write(600))).toMatchObject({ code: "25006" });
    await readOnly("off");
    expect(await write()).toHaveLength(0);
  });

  test.each([
    ["is wrong", "42703", "select nothing_like_this"],
    ["breaks a rule", "22012", "select 1 / 0"],
    ["takes too long for the server", "57014", raise("57014")],
  ])("is sent once when it %s", async (_, code, text) => {
    const own = pool();
    let sent = 0;
    const answer = own.run((sql) => {
      sent++;
      return sql.unsafe(text);
    });
    expect(await failure(answer)).toMatchObject({ code });
    expect(sent).toBe(1);
  });

  test.each(["40001", "40P01", "55P03", "57P01", "53300"])(
    "is sent again when it meets what passes by itself: %s",
    async (state) => {
      const own = pool();
      let sent = 0;
      const answer = await own.run((sql) => {
        sent++;
        return sent < 3 ? sql.unsafe(raise(state)) : sql`select 1 as n`;
      });
      expect(answer).toMatchObject([{ n: 1 }]);
      expect(sent).toBe(3);
    },
  );

  test("that goes on failing is given up with what it met, within its deadline", async () => {
    const own = pool();
    const deadlines = Array.from({ length: 20 }, (_, n) => 400 + 50 * n);
    const errors = await Promise.all(
      deadlines.map(async (deadlineMs) => {
        const begun = performance.now();
        const error = await failure(own.run((sql) => sql.unsafe(raise("40001")), deadlineMs));
        expect(performance.now() - begun).toBeLessThan(deadlineMs + 100);
        return error.code;
      }),
    );
    expect(errors).toEqual(deadlines.map(() => "40001"));
  });
});

describe("a deadline", () => {
  test("holds on a connection that is open and silent, and the next statement has a new one", async () => {
    const proxy = await proxyTo(db.address);
    const own = pool({ address: proxy.url });
    for (let time = 0; time < 3; time++) {
      await Promise.all([one(own), one(own), one(own)]);
      proxy.silence();
      const begun = performance.now();
      expect(await failure(one(own, 300))).toBeInstanceOf(DeadlineError);
      expect(performance.now() - begun).toBeWithin(295, 1_000);
      expect(await one(own, 3_000)).toMatchObject([{ n: 1 }]);
    }
  });

  test("does not pass while this thread was too busy to read the answer", async () => {
    const db = pool({ connections: 1 });
    const before = await backend(db);
    const answer = db.run((sql) => sql`select pg_sleep(0.1), pg_backend_pid() as pid`, 300);
    await new Promise(setImmediate); // it is on its way
    for (const begunMs = performance.now(); performance.now() - begunMs < 600; );
    expect(await answer).toMatchObject([{ pid: before }]);
  });

  test("that one caller misses is the cure for the others who wait on the same silence", async () => {
    const proxy = await proxyTo(db.address);
    const own = pool({ address: proxy.url });
    await Promise.all([one(own), one(own), one(own)]);
    proxy.silence();
    const patient = Array.from({ length: 10 }, () => one(own, 20_000));
    expect(await failure(one(own, 300))).toBeInstanceOf(DeadlineError);
    expect(await Promise.all(patient)).toHaveLength(10);
  });

  test("holds against a server that takes the connection and says nothing", async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((listening) => mute.listen(0, "127.0.0.1", listening));
    const { port } = mute.address() as { port: number };
    const own = pool({ address: `postgres://nobody@127.0.0.1:${port}/none` });
    const begun = performance.now();
    expect(await failure(one(own, 300))).toBeInstanceOf(DeadlineError);
    expect(performance.now() - begun).toBeWithin(295, 1_000);
    await own.close();
    mute.close();
  });
});

describe("a subscription", () => {
  async function subscribing(own: Database) {
    const heard: string[] = [];
    let listening = 0;
    await own.listen(
      "test_channel",
      (payload) => heard.push(payload),
      () => listening++,
    );
    return {
      times: () => listening,
      hears: async (payload: string) => {
        await db.sql`select pg_notify('test_channel', ${payload})`;
        await until(`the notification ${payload}`, () => heard.includes(payload));
      },
      again: (times: number) => until(`subscription number ${times}`, () => listening >= times),
    };
  }

  async function subscribed(own: Database) {
    const subscription = await subscribing(own);
    expect(subscription.times()).toBe(1);
    return subscription;
  }

  test("that cannot be had at first is tried for again, and nobody fails for the want of it", async () => {
    const port = await freePort();
    const subscription = await subscribing(pool({ address: proxyUrl(db.address, port) }));
    expect(subscription.times()).toBe(0);
    await proxyTo(db.address, port);
    await subscription.again(1);
    await subscription.hears("after all");
  });

  test("comes back when its connection is terminated, and says that it may have missed something", async () => {
    const own = pool();
    const subscription = await subscribed(own);
    await subscription.hears("first");
    await terminate(own.name);
    await subscription.again(2);
    await subscription.hears("second");
  });

  test("comes back when the pool is replaced because its connections were silent", async () => {
    const proxy = await proxyTo(db.address);
    const own = pool({ address: proxy.url });
    const subscription = await subscribed(own);
    await one(own);
    proxy.silence();
    expect(await failure(one(own, 300))).toBeInstanceOf(DeadlineError);
    await subscription.again(2);
    await subscription.hears("after the silence");
  });

  test("comes back when the database was away for a while", async () => {
    const proxy = await proxyTo(db.address);
    const own = pool({ address: proxy.url });
    const subscription = await subscribed(own);
    proxy.cut();
    expect(await failure(one(own, 600))).toBeDefined();
    proxy.restore();
    await subscription.again(2);
    await subscription.hears("after the outage");
  });
});

describe("a pool", () => {
  test("names itself, keeps UTC and lets the server cut what takes too long", async () => {
    const own = pool();
    const [settings] = await own.run(
      (sql) => sql`
      select current_setting('application_name') as name, current_setting('timezone') as zone,
        current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`,
    );
    expect({ ...settings }).toEqual({ name: own.name, zone: "UTC", statement: "4s", lock: "2s" });
  });

  test("has the server ask after a client that is silent, where there is one to ask", async () => {
    const [row] = await pool().run(
      (sql) => sql`
      select current_setting('tcp_keepalives_idle') as idle, inet_server_addr() is not null as tcp`,
    );
    expect(row!.idle).toBe(row!.tcp ? "60" : "0");
  });

  test("works without prepared statements", async () => {
    const own = pool({ prepare: false });
    const [row] = await own.run((sql) => sql`select to_json(${["a", "b"]}::text[]) as texts`);
    expect(row!.texts).toEqual(["a", "b"]);
  });

  test("leaves no connection behind when it is closed, and runs nothing more", async () => {
    const own = pool();
    await own.listen(
      "test_channel",
      () => undefined,
      () => undefined,
    );
    await Promise.all([one(own), one(own)]);
    await own.close();
    await until("all of its connections to be gone", async () => {
      const left = await db.sql`select from pg_stat_activity where application_name = ${own.name}`;
      return left.length === 0;
    });
    expect(await failure(one(own, 300))).toMatchObject({ code: "CONNECTION_ENDED" });
  });
});
