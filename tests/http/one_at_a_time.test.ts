import { expect, test } from "bun:test";
import { oneAtATime } from "../../src/http/one_at_a_time.ts";

test("work begins in the order in which it comes, each after the one before", async () => {
  const inTurn = oneAtATime();
  const told: string[] = [];
  const first = Promise.withResolvers<void>();
  const work = (name: string, until?: Promise<void>) => async () => {
    told.push(`${name} begins`);
    await until;
    told.push(`${name} ends`);
    return name;
  };
  const answers = Promise.all([inTurn(work("first", first.promise)), inTurn(work("second"))]);
  await new Promise(setImmediate);
  expect(told).toEqual(["first begins"]);
  first.resolve();
  expect(await answers).toEqual(["first", "second"]);
  expect(told).toEqual(["first begins", "first ends", "second begins", "second ends"]);
});

test("work that fails tells whoever asked for it, and the next one begins all the same", async () => {
  const inTurn = oneAtATime();
  const failing = inTurn(() => Promise.reject(new Error("not this time")));
  const next = inTurn(async () => "done");
  await expect(failing).rejects.toThrow("not this time");
  expect(await next).toBe("done");
});
