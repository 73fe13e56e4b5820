import { describe, expect, test } from "bun:test";
import type { Usage } from "../../src/job/usage.ts";
import { Breaker } from "../../src/worker/breaker.ts";
import { stubborn } from "../support/handlers.ts";
import { run } from "../support/run.ts";

const FIRST = { input_tokens: 10, output_tokens: 0, estimated: true };
const LAST = { input_tokens: 12, output_tokens: 5, cost: 0.25 };

describe("what a handler has spent is told with its attempt", () => {
  test("that completes, and the last word counts", async () => {
    const ending = await run((_, { spent }) => {
      spent(FIRST);
      spent(LAST);
    });
    expect(ending).toMatchObject({ outcome: "completed", usage: LAST });
  });

  test("that fails", async () => {
    const ending = await run((_, { spent }) => {
      spent(LAST);
      throw new Error("broken off");
    });
    expect(ending).toMatchObject({ outcome: "failed", usage: LAST });
  });

  test("that takes too long", async () => {
    const ending = await run(
      (_, { spent }) => {
        spent(FIRST);
        return stubborn();
      },
      { job: { timeoutMs: 1 } },
    );
    expect(ending).toMatchObject({ error: { reason: "timed_out" }, usage: FIRST });
  });

  test("that is released", async () => {
    const breaker = new Breaker();
    const ending = await run(
      (_, { spent }) => {
        spent(FIRST);
        breaker.abort("released");
        return stubborn();
      },
      { breaker },
    );
    expect(ending).toMatchObject({ outcome: "released", usage: FIRST });
  });

  test("that somebody else has ended, to whoever can still add it", async () => {
    const breaker = new Breaker();
    const told: Usage[] = [];
    const ending = await run(
      (_, { spent }) => {
        spent(LAST);
        breaker.abort("cancelled");
        return stubborn();
      },
      { breaker, spentInVain: (usage) => told.push(usage) },
    );
    expect(ending).toBeNull();
    expect(told).toEqual([LAST]);
  });

  test("and is null where nothing was", async () => {
    expect((await run(() => 1))?.usage).toBeNull();
    expect((await run(() => Promise.reject(new Error())))?.usage).toBeNull();
  });
});
