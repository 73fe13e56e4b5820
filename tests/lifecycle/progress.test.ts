import { describe, expect, test } from "bun:test";
import { loop } from "../../src/lifecycle/loop.ts";
import { keepPace, progress } from "../../src/lifecycle/progress.ts";
import { until } from "../support/until.ts";

/** A pace by a clock that the test winds. */
function paced() {
  const name = crypto.randomUUID();
  let nowMs = 1_000;
  const pace = keepPace(name, () => nowMs);
  return {
    ...pace,
    pass: (ms: number) => {
      nowMs += ms;
    },
    now: () => {
      const { agoMs, overdueMs } = progress(nowMs).find((one) => one.name === name) ?? {};
      return agoMs === undefined ? undefined : { agoMs, overdueMs };
    },
  };
}

describe("the progress of a loop", () => {
  test("counts from its start, and is late as long as no step went through", () => {
    const it = paced();
    expect(it.now()).toEqual({ agoMs: 0, overdueMs: 0 });
    it.pass(300);
    expect(it.now()).toEqual({ agoMs: 300, overdueMs: 300 });
    it.end();
  });

  test("is not late while it rests, and late from the end of its rest", () => {
    const it = paced();
    it.pass(50);
    it.rested(1_000);
    it.pass(900);
    expect(it.now()).toEqual({ agoMs: 900, overdueMs: 0 });
    it.pass(300);
    expect(it.now()).toEqual({ agoMs: 1_200, overdueMs: 200 });
    it.end();
  });

  test("is due at once when it is woken, and no earlier than it was already", () => {
    const it = paced();
    it.rested(60_000);
    it.pass(100);
    it.woken();
    it.pass(70);
    it.woken();
    expect(it.now()).toEqual({ agoMs: 170, overdueMs: 70 });
    it.end();
  });

  test("is told until it ends", () => {
    const it = paced();
    it.end();
    expect(it.now()).toBeUndefined();
  });
});

describe("a loop", () => {
  const named = (name: string) => progress().find((one) => one.name === name);

  test("tells of its steps, and nothing any more once it has stopped", async () => {
    const name = crypto.randomUUID();
    expect(named(name)).toBeUndefined();
    let steps = 0;
    const it = loop(
      name,
      async () => {
        steps++;
        return 600_000;
      },
      () => {},
    );
    await it.start();
    await until("its step", () => steps > 0);
    expect(named(name)!.overdueMs).toBe(0);
    await it.stop();
    expect(named(name)).toBeUndefined();
  });

  test("that fails gets later and later, though it goes on trying", async () => {
    const name = crypto.randomUUID();
    let tries = 0;
    const it = loop(
      name,
      async () => {
        throw new Error("always");
      },
      () => void tries++,
    );
    await it.start();
    await until("a second try, long after it was due", () => tries > 1 && named(name)!.overdueMs > 500);
    await it.stop();
  });
});
