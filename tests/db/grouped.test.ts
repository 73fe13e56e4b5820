import { expect, test } from "bun:test";
import { connect } from "../../src/db/connect.ts";
import { DeadlineError } from "../../src/db/deadline.ts";
import { grouped } from "../../src/db/grouped.ts";
import { testDatabase } from "../support/database.ts";
import { proxyTo } from "../support/proxy.ts";
import { until } from "../support/until.ts";

const db = await testDatabase();
const DEADLINE_MS = 800;

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

/** Answers each group when it is told to, with its keys in order. */
function asked(fullAt?: number) {
  const groups: { keys: readonly string[]; answer: PromiseWithResolvers<string> }[] = [];
  const ask = grouped((keys: readonly string[]) => {
    const answer = Promise.withResolvers<string>();
    groups.push({ keys, answer });
    return answer.promise;
  }, fullAt);
  return { ask, groups };
}

test("what is asked while a question is in flight shares the next one, each key once", async () => {
  const { ask, groups } = asked();
  const first = ask("a");
  await Bun.sleep(0);
  const others = [ask("b"), ask("c", "d"), ask("b"), ask()];
  await Bun.sleep(0);
  expect(groups.map(({ keys }) => keys)).toEqual([["a"]]);
  groups[0]!.answer.resolve("one");
  expect(await first).toBe("one");
  await Bun.sleep(0);
  expect(groups.map(({ keys }) => keys)).toEqual([["a"], ["b", "c", "d"]]);
  groups[1]!.answer.resolve("two");
  expect(await Promise.all(others)).toEqual(["two", "two", "two", "two"]);
});

test("a group that is full waits for nobody, and its failure is that of its own", async () => {
  const { ask, groups } = asked(3);
  const first = ask("a");
  await Bun.sleep(0);
  const full = [ask("b"), ask("c"), ask("b"), ask("d")];
  const later = ask("e");
  await Bun.sleep(0);
  expect(groups.map(({ keys }) => keys)).toEqual([["a"], ["b", "c", "d"]]);
  groups[1]!.answer.reject(new Error("gone"));
  for (const { reason } of (await Promise.allSettled(full)) as PromiseRejectedResult[])
    expect(reason).toEqual(new Error("gone"));
  groups[0]!.answer.resolve("one");
  expect(await first).toBe("one");
  await Bun.sleep(0);
  groups[2]!.answer.resolve("three");
  expect(await later).toBe("three");
  expect(groups).toHaveLength(3);
});

test("a failure is told to those who asked, and nobody after them", async () => {
  const { ask, groups } = asked();
  const failing = [ask("a"), ask("b")];
  await Bun.sleep(0);
  const later = ask("c");
  groups[0]!.answer.reject(new Error("gone"));
  for (const { reason } of (await Promise.allSettled(failing)) as PromiseRejectedResult[])
    expect(reason).toEqual(new Error("gone"));
  await Bun.sleep(0);
  groups[1]!.answer.resolve("there again");
  expect(await later).toBe("there again");
});

test("who waits for the next question while the database does not answer is not made to wait twice", async () => {
  const proxy = await proxyTo(db.address);
  const pool = connect({ address: proxy.url, name: "jobsvc test grouped", connections: 2, prepare: true });
  const ask = grouped((keys: readonly number[]) =>
    pool.run((sql) => sql`select ${[...keys]}::int[] as keys`, DEADLINE_MS),
  );
  await ask(1);
  proxy.swallow();
  const begun = performance.now();
  const first = failure(ask(2));
  await Bun.sleep(0);
  const errors = await Promise.all([first, failure(ask(3)), failure(ask(4))]);
  expect(performance.now() - begun).toBeWithin(DEADLINE_MS - 5, 2 * DEADLINE_MS - 5);
  for (const error of errors) expect(error).toBeInstanceOf(DeadlineError);
  proxy.restore();
  // New connections carry again; one that was begun meanwhile has to be missed first.
  await until("an answer", async () => (await failure(ask(5))) === undefined);
  await pool.close();
});
