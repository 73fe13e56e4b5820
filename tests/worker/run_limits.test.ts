import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import { defineJob, type JobContext } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import { Breaker } from "../../src/worker/breaker.ts";
import { runJob } from "../../src/worker/run.ts";
import { obedient, stubborn } from "../support/handlers.ts";
import { SILENT } from "../support/reporter.ts";
import { type RunOptions, run, taken } from "../support/run.ts";
import { NO_THREADS } from "../support/threads.ts";

/** W3C trace context. */
const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const FAR_MS = 60_000;

describe("a time limit", () => {
  const limits = (job: number | null, kind: number | undefined, defaultTimeoutMs: number): RunOptions => ({
    job: { timeoutMs: job },
    definition: kind === undefined ? {} : { timeoutMs: kind },
    defaultTimeoutMs,
  });

  test.each([
    ["of the job beats the one of the kind", limits(5, FAR_MS, FAR_MS), 5],
    ["of the job beats a shorter one of the kind", limits(30, 1, 1), 30],
    ["of the kind beats the default", limits(null, 6, FAR_MS), 6],
    ["by default is the setting", limits(null, undefined, 7), 7],
  ])("%s", async (_, options, limit) => {
    const ending = await run(stubborn, options);
    expect(ending).toMatchObject({ outcome: "failed", failures: 1, retryAfterMs: 1_000 });
    expect(ending?.error).toMatchObject({ name: "TimeoutError", reason: "timed_out" });
    expect(ending?.error?.message).toContain(`${limit} ms`);
    expect(ending?.ranMs).toBeGreaterThanOrEqual(limit - 1);
  });

  test("aborts the handler's signal, and is the error even when the handler answers to it", async () => {
    const signals: AbortSignal[] = [];
    const ending = await run(
      async (_, context) => {
        signals.push(context.signal);
        return await obedient(undefined, context);
      },
      { job: { timeoutMs: 5 } },
    );
    expect(ending?.error?.reason).toBe("timed_out");
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toMatchObject({ name: "TimeoutError" });
  });

  test("does not count what a handler returns after it", async () => {
    const late = Promise.withResolvers<string>();
    const ending = await run(() => late.promise, { job: { timeoutMs: 5 } });
    late.resolve("too late");
    expect(ending).toMatchObject({ outcome: "failed", result: null });
  });

  test("that was not reached leaves the signal alone", async () => {
    const signals: AbortSignal[] = [];
    await run((_, { signal }) => void signals.push(signal), { job: { timeoutMs: 5 } });
    expect(signals[0]?.aborted).toBe(false);
  });
});

describe("an interruption", () => {
  test.each(["cancelled", "lost"] as const)("%s: somebody else has ended the attempt", async (why) => {
    const breaker = new Breaker();
    const reasons: unknown[] = [];
    const running = run(
      (_, { signal }) => {
        signal.addEventListener("abort", () => reasons.push(signal.reason));
        breaker.abort(why);
        return stubborn();
      },
      { breaker },
    );
    expect(await running).toBeNull();
    expect(reasons).toEqual([why]);
  });

  test("released: the job goes back at once, and nothing counts against it", async () => {
    const breaker = new Breaker();
    const job = { attempt: 3, failures: 2, losses: 1, maxAttempts: 3 };
    const running = run(
      () => {
        breaker.abort("released");
        return stubborn();
      },
      { breaker, job },
    );
    expect(await running).toMatchObject({
      outcome: "released",
      retryAfterMs: 0,
      attempt: 3,
      failures: 2,
      losses: 1,
      error: null,
      result: null,
    });
  });

  test("beats the error with which the handler heeds it, and an error that comes later harms nobody", async () => {
    const late = Promise.withResolvers<never>();
    const breakers = [new Breaker(), new Breaker()] as const;
    const heeding = run(obedient, { breaker: breakers[0] });
    const ignoring = run(() => late.promise, { breaker: breakers[1] });
    for (const breaker of breakers) breaker.abort("cancelled");
    expect(await Promise.all([heeding, ignoring])).toEqual([null, null]);
    late.reject(new Error("nobody listens any more"));
  });

  test("is what a signal tells that is asked for only then", async () => {
    const breaker = new Breaker();
    const told = Promise.withResolvers<AbortSignal>();
    const running = run(
      async (_, context) => {
        await Bun.sleep(1);
        told.resolve(context.signal);
      },
      { breaker },
    );
    breaker.abort("cancelled");
    breaker.abort("lost");
    expect(await running).toBeNull();
    expect(await told.promise).toMatchObject({ aborted: true, reason: "cancelled" });
  });

  test("that came before the start keeps the handler from starting", async () => {
    for (const why of ["cancelled", "lost", "released"]) {
      let called = false;
      const ending = await run(
        () => {
          called = true;
        },
        { breaker: aborted(why) },
      );
      expect(called).toBe(false);
      expect(ending?.outcome).toBe(why === "released" ? "released" : undefined);
    }
  });

  test("that comes after the end changes nothing", async () => {
    const breaker = new Breaker();
    const ending = await run(() => "done", { breaker });
    breaker.abort("cancelled");
    expect(ending?.outcome).toBe("completed");
  });

  function aborted(why: string): Breaker {
    const breaker = new Breaker();
    breaker.abort(why);
    return breaker;
  }
});

describe("a handler", () => {
  test("gets the payload, what it may know of the job, and the number of the try", async () => {
    const seen: [unknown, Pick<JobContext, "attempt" | "job">][] = [];
    const standing = { attempt: 4, maxAttempts: 6, timeoutMs: 5_000, traceparent: TRACEPARENT };
    const job = taken({ payload: '{"task" :1e400}', ...standing });
    await run((payload, { attempt, job }) => void seen.push([payload, { attempt, job }]), { job });
    const { id, kind, queue, userId, resourceId, maxAttempts, leaseId, payload, traceparent } = job;
    const info = {
      id,
      kind,
      queue,
      userId,
      resourceId,
      maxAttempts,
      leaseId,
      payloadText: payload,
      traceparent,
    };
    expect(seen).toEqual([[{ task: Number.POSITIVE_INFINITY }, { attempt: 4, job: info }]]);
  });

  test("that is not there ends the job for good", async () => {
    const ending = await run(() => 1, { job: { kind: "video" } });
    expect(ending).toMatchObject({ outcome: "failed", retryAfterMs: null });
    expect(ending?.error).toMatchObject({ reason: "invalid_payload" });
    expect(ending?.error?.message).toContain("video");
  });

  test("never sees a payload that does not fit, which ends the job for good and says where", async () => {
    const called: unknown[] = [];
    const definition = defineJob({
      kind: "mail",
      payload: Type.Object({ to: Type.Array(Type.String()) }),
      run: (payload) => called.push(payload),
    });
    const attempt = (payload: string) =>
      runJob({
        job: taken({ kind: "mail", payload }),
        registry: registry([definition]),
        breaker: new Breaker(),
        reporter: SILENT,
        threads: NO_THREADS,
        defaultTimeoutMs: FAR_MS,
        random: () => 0.5,
        complain: () => {},
        spentInVain: () => {},
      });
    const wrong = await attempt('{"to":["a",7]}');
    expect(wrong).toMatchObject({ outcome: "failed", retryAfterMs: null });
    expect(wrong?.error).toMatchObject({ name: "PayloadError", reason: "invalid_payload" });
    expect(wrong?.error?.message).toContain("/to/1");
    expect(called).toEqual([]);
  });

  test("is timed, and its end is dated by a clock that nobody sets", async () => {
    const begun = performance.now();
    const ending = await run(() => Bun.sleep(20));
    const ended = performance.now();
    expect(ending!.ranMs).toBeWithin(19, ended - begun + 1);
    expect(ending!.endedAtMs).toBeWithin(begun + 19, ended + 1);
  });
});
