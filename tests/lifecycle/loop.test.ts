import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Loop, loop } from "../../src/lifecycle/loop.ts";

/** A rest that would outlast every test: what happens after it happened because of a wake. */
const FOR_EVER_MS = 24 * 60 * 60 * 1000;

const none = (error: unknown) => {
  throw error;
};

describe("a wake", () => {
  test("cuts the rest short", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    (await steps.next()).end(FOR_EVER_MS);
    await turn();
    it.wake();
    (await steps.next()).end(FOR_EVER_MS);
    await it.stop();
  });

  test("that comes during a step is kept", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    const first = await steps.next();
    it.wake();
    first.end(FOR_EVER_MS);
    (await steps.next()).end(FOR_EVER_MS);
    await it.stop();
  });

  test("that comes between the end of a step and its rest is kept", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    // One microtask after another is a different moment of the way from the step to the rest.
    for (let microtasks = 0; microtasks < 10; microtasks++) {
      (await steps.next()).end(FOR_EVER_MS);
      for (let i = 0; i < microtasks; i++) await undefined;
      it.wake();
    }
    (await steps.next()).end(FOR_EVER_MS);
    await it.stop();
  });

  test("is one step more, however often it comes", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    const first = await steps.next();
    for (let i = 0; i < 10; i++) it.wake();
    first.end(FOR_EVER_MS);
    (await steps.next()).end(FOR_EVER_MS);
    await turn();
    expect(steps.begun()).toBe(2);
    await it.stop();
  });
});

describe("stop", () => {
  test("before start means that no step is ever made", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.stop();
    await it.start();
    await turn();
    expect(steps.begun()).toBe(0);
  });

  test("during a step waits for its end, and no step follows", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    const first = await steps.next();
    let stopped = false;
    const stopping = it.stop().then(() => {
      stopped = true;
    });
    await turn();
    expect(stopped).toBe(false);
    first.end(0);
    await stopping;
    await turn();
    expect(steps.begun()).toBe(1);
  });

  test("during a rest does not wait for it", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    (await steps.next()).end(FOR_EVER_MS);
    await turn();
    await it.stop();
  });

  test("may be called twice, at once or later", async () => {
    const steps = stepper();
    const it = loop("test", steps.step, none);
    await it.start();
    const first = await steps.next();
    const both = Promise.all([it.stop(), it.stop()]);
    first.end(0);
    await both;
    await it.stop();
    it.wake();
    await turn();
    expect(steps.begun()).toBe(1);
  });
});

test("a second start changes nothing", async () => {
  const steps = stepper();
  const it = loop("test", steps.step, none);
  await Promise.all([it.start(), it.start()]);
  const first = await steps.next();
  await turn();
  expect(steps.begun()).toBe(1);
  first.end(0);
  (await steps.next()).end(FOR_EVER_MS);
  await it.stop();
});

test("an error is reported, and the loop goes on", async () => {
  const steps = stepper();
  const reported: unknown[] = [];
  const it: Loop = loop("test", steps.step, (error) => {
    reported.push(error);
    it.wake(); // so that the test does not rest after the error
  });
  await it.start();
  for (let i = 0; i < 3; i++) (await steps.next()).fail(new Error(`failure ${i}`));
  (await steps.next()).end(FOR_EVER_MS);
  await it.stop();
  expect(reported).toEqual([new Error("failure 0"), new Error("failure 1"), new Error("failure 2")]);
});

test("an error during stop is reported too, and stop still answers", async () => {
  const steps = stepper();
  const reported: unknown[] = [];
  const it = loop("test", steps.step, (error) => reported.push(error));
  await it.start();
  const first = await steps.next();
  const stopping = it.stop();
  first.fail(new Error("last"));
  await stopping;
  expect(reported).toEqual([new Error("last")]);
});

test("whatever the order of start, stop and wake: one step at a time, and none after stop", async () => {
  const call = fc.constantFrom("start", "stop", "wake", "turn", "microtask");
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 30 }), fc.nat(3), async (calls, length) => {
      let running = 0;
      let most = 0;
      let stopped = false;
      const it = loop(
        "test",
        async () => {
          expect(stopped).toBe(false);
          most = Math.max(most, ++running);
          for (let i = 0; i < length; i++) await turn();
          running--;
          return length % 2 === 0 ? 0 : FOR_EVER_MS;
        },
        none,
      );
      const stops: Promise<void>[] = [];
      for (const each of calls) {
        if (each === "start") void it.start();
        if (each === "stop") stops.push(it.stop());
        if (each === "wake") it.wake();
        if (each === "turn") await turn();
        if (each === "microtask") await undefined;
      }
      await Promise.all([...stops, it.stop()]);
      stopped = true;
      expect(running).toBe(0);
      it.wake();
      await it.start();
      await turn();
      expect(most).toBeLessThanOrEqual(1);
    }),
    { numRuns: 300 },
  );
});

interface Step {
  end(restMs: number): void;
  fail(error: Error): void;
}

/** Steps that the test sees begin and ends by hand. */
function stepper() {
  let begun = 0;
  const begunSteps: Step[] = [];
  let onBegin = () => {};
  return {
    begun: () => begun,
    step() {
      begun++;
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      begunSteps.push({ end: resolve, fail: reject });
      onBegin();
      return promise;
    },
    async next(): Promise<Step> {
      if (begunSteps.length === 0)
        await new Promise<void>((resolve) => {
          onBegin = resolve;
        });
      return begunSteps.shift()!;
    },
  };
}

/** Everything that is ready to run has run after a turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
