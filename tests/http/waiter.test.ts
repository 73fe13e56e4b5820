import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { Database } from "../../src/db/connect.ts";
import { waiter } from "../../src/http/waiter.ts";
import { inserter } from "../../src/queue/inserter.ts";
import { testDatabase } from "../support/database.ts";
import { end, insertNew, registered, take } from "../support/factory.ts";
import { clear } from "../support/facts.ts";
import { until } from "../support/until.ts";
import { SOME_ID } from "./client.ts";
import { events, get, jobOf, LONG, newApp, newWaiter, post } from "./waiting.ts";
import { AUTHORIZATION, served } from "./wire.ts";

const db = await testDatabase();

beforeEach(() => clear(db));

describe("waiting", () => {
  test("of a thousand at once is answered together, with few statements", async () => {
    let statements = 0;
    const counted: Database = {
      ...db,
      run(statement) {
        statements++;
        return db.run(statement);
      },
    };
    const waiting = await newWaiter(counted);
    const jobs = await insertNew(db, 500);
    const never = new AbortController().signal;
    const answers = [...jobs, ...jobs].map(({ id }) => waiting.ended(id, 60_000, never));
    const worker = await registered(db);
    const taken = await take(db, worker, 500);
    statements = 0;
    await end(db, worker, taken);
    await Promise.all(answers);
    expect(statements).toBeLessThan(50);
  });

  test("is not forgotten when another one for the same job is answered in the same moment", async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const answer = Promise.withResolvers<void>();
      const slow = await newWaiter({
        ...db,
        async run() {
          await answer.promise;
          return [{ id: SOME_ID }] as never;
        },
      });
      const never = new AbortController().signal;
      const first = slow.ended(SOME_ID, 60_000, never);
      answer.resolve();
      for (let tick = 0; tick < ticks; tick++) await undefined;
      await Promise.all([first, slow.ended(SOME_ID, 60_000, never)]);
    }
  });
});

describe("whoever waits is let go", () => {
  test("when the service stops, at once", async () => {
    const { app, waiting } = await newApp(db);
    const [job] = await insertNew(db, 1);
    const answers = [get(app, job!.id, LONG), post(app, LONG)];
    await until("both to wait", () => waiting.waiting() === 2);
    await waiting.stop();
    for (const [place, answer] of answers.entries())
      expect((await jobOf(answer, place === 0 ? 200 : 201)).job).toMatchObject({ state: "available" });
    expect((await jobOf(get(app, job!.id, LONG), 200)).job).toMatchObject({ state: "available" });
  });

  test("when the service stops while the database does not answer", async () => {
    const asked = Promise.withResolvers<void>();
    const silent: Database = {
      ...db,
      run() {
        asked.resolve();
        return new Promise(() => {});
      },
    };
    const stuck = waiter(silent, events.emit);
    await stuck.start();
    const ended = stuck.ended(SOME_ID, 60_000, new AbortController().signal);
    await asked.promise;
    void stuck.stop();
    await ended;
  });

  test("when the client has gone away", async () => {
    const waiting = await newWaiter(db);
    const { url } = await served({ db, inserter: inserter({ db, onWaiting() {} }), waiter: waiting });
    const [job] = await insertNew(db, 1);
    const controller = new AbortController();
    const answer = fetch(`${url}api/jobs/${job!.id}${LONG}`, {
      headers: AUTHORIZATION,
      signal: controller.signal,
    }).catch((error: Error) => error.name);
    await until("the request to wait", () => waiting.waiting() === 1);
    controller.abort();
    expect(await answer).toBe("AbortError");
    await until("nobody to wait", () => waiting.waiting() === 0);
  });

  test("when a client of old has, which named no host", async () => {
    const waiting = await newWaiter(db);
    const { url } = await served({ db, waiter: waiting });
    const [job] = await insertNew(db, 1);
    const socket = connect(Number(url.port), url.hostname, () =>
      socket.write(
        `GET /api/jobs/${job!.id}${LONG} HTTP/1.0\r\nAuthorization: ${AUTHORIZATION.authorization}\r\n\r\n`,
      ),
    );
    await until("the request to wait", () => waiting.waiting() === 1);
    socket.destroy();
    await until("nobody to wait", () => waiting.waiting() === 0);
  });
});

test("a connection may be silent for as long as is waited, and some more for the answer", async () => {
  const { app } = await newApp(db);
  const patience: number[] = [];
  const told = { requestIP: () => null, timeout: (_: Request, seconds: number) => patience.push(seconds) };
  app.server = told as never;
  const worker = await registered(db);
  const [job] = await insertNew(db, 1);
  await end(db, worker, await take(db, worker, 1));
  await jobOf(get(app, job!.id, LONG), 200);
  await jobOf(get(app, job!.id), 200);
  await jobOf(get(app, job!.id, "", { prefer: "wait=10" }), 200);
  expect(patience).toEqual([90, 40]);
});

afterAll(() => expect(events.of("step.failed")).toEqual([]));
