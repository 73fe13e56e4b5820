import { expect, test } from "bun:test";
import { places } from "../../src/worker/places.ts";

test("no more places are given than there are", () => {
  const { take, giveBack } = places(3);
  const never = () => expect.unreachable("nobody waits here");
  expect([take(2, never), take(2, never), take(0, never), take(-1, never)]).toEqual([2, 1, 0, 0]);
  giveBack(3);
  expect(take(10, never)).toBe(3);
});

test("those who found none are woken in the order in which they asked, one for each place", () => {
  const woken: string[] = [];
  const { take, giveBack } = places(2);
  const wakes = ["a", "b", "c"].map((name) => () => void woken.push(name));
  take(2, wakes[0]!);
  for (const wake of [wakes[1]!, wakes[2]!, wakes[1]!, wakes[0]!]) expect(take(1, wake)).toBe(0);
  giveBack(1);
  expect(woken).toEqual(["b"]);
  giveBack(1);
  expect(woken).toEqual(["b", "c"]);
  giveBack(0);
  // Who found some since then, or wants none any more, waits no longer.
  expect(take(2, wakes[0]!)).toBe(2);
  giveBack(1);
  expect(woken).toEqual(["b", "c"]);
});
