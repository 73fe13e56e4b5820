import { afterEach, expect, jest, test } from "bun:test";
import { Breaker } from "../../src/worker/breaker.ts";
import type { Threads } from "../../src/worker/threads.ts";
import { run, taken } from "../support/run.ts";
import { startThreads, threadFile, threadHandlers } from "../support/threads.ts";

/** Time here passes when the test says so; threads have their own, which is real. */

afterEach(() => void jest.useRealTimers());

const job = taken({ kind: "heavy", timeoutMs: 1_000 });

function runIn(threads: Threads) {
  const task = { job: { ...job, payloadText: job.payload }, attempt: 1, failures: 0 };
  return threads.run({ job, task, breaker: new Breaker(), hear() {} });
}

test("a thread without work is kept for a minute", async () => {
  const threads = startThreads(await threadHandlers({ heavy: "return runs;" }));
  jest.useFakeTimers();
  for (const result of ["1", "2"]) expect(await runIn(threads)).toEqual({ type: "returned", result });
  jest.advanceTimersByTime(59_999);
  expect(await runIn(threads)).toEqual({ type: "returned", result: "3" });
  jest.advanceTimersByTime(60_000);
  expect(await runIn(threads)).toEqual({ type: "returned", result: "1" });
});

test("a file that never loads in a thread takes the attempt half a minute, and the thread a second more", async () => {
  const text = `${threadFile("heavy", "return 1;")} if (!Bun.isMainThread) while (true) {}`;
  const [handler] = await threadHandlers({ heavy: text });
  const threads = startThreads([handler!]);
  jest.useFakeTimers();
  const { definition } = handler!;
  const running = run(definition.run, { definition, threads, job });
  jest.advanceTimersByTime(29_999);
  expect(Bun.peek.status(running)).toBe("pending");
  jest.advanceTimersByTime(1);
  expect(await running).toMatchObject({
    outcome: "failed",
    error: { message: "the attempt took longer than its limit of 30000 ms", reason: "timed_out" },
  });
  jest.advanceTimersByTime(999);
  expect(threads.of("handler.terminated")).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(threads.of("handler.terminated")).toMatchObject([{ job_id: job.id, reason: "timed_out" }]);
});
