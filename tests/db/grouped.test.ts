import { expect, test } from "bun:test";
import { grouped } from "../../src/db/grouped.ts";

/** Answers each group when it is told to, with its keys in order. */
function asked() {
  const groups: { keys: readonly string[]; answer: PromiseWithResolvers<string> }[] = [];
  const ask = grouped((keys: readonly string[]) => {
    const answer = Promise.withResolvers<string>();
    groups.push({ keys, answer });
    return answer.promise;
  });
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
