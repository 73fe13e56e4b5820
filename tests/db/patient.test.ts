import { expect, test } from "bun:test";
import { DeadlineError } from "../../src/db/deadline.ts";
import { patiently } from "../../src/db/patient.ts";

/** Throws these, one at each call, and then answers. */
function answering(...errors: unknown[]) {
  const left = [...errors];
  let calls = 0;
  const ask = async () => {
    calls++;
    if (left.length > 0) throw left.shift();
    return "answer";
  };
  return { ask, calls: () => calls };
}

test("a database that is away is asked until it answers", async () => {
  const away = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const { ask, calls } = answering(away, new DeadlineError("too slow"), away);
  expect(await patiently(ask, 0)).toBe("answer");
  expect(calls()).toBe(4);
});

test("a question that it refuses is not asked again", async () => {
  const { ask, calls } = answering(Object.assign(new Error("no such column"), { code: "42703" }));
  await expect(patiently(ask, 0)).rejects.toThrow("no such column");
  expect(calls()).toBe(1);
});
