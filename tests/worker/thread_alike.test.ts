import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { LoadedHandler } from "../../src/handlers/load.ts";
import { registry } from "../../src/handlers/registry.ts";
import type { TakenJob } from "../../src/job/job.ts";
import type { Ending } from "../../src/job/outcome.ts";
import { Breaker } from "../../src/worker/breaker.ts";
import type { Report } from "../../src/worker/reports.ts";
import { runJob } from "../../src/worker/run.ts";
import { taken } from "../support/run.ts";
import { startThreads, threadFile, threadHandlers } from "../support/threads.ts";

/** Whatever a handler does: what comes of it in a thread is what comes of it on the main thread. */

setDefaultTimeout(60_000);

interface Outcome {
  ending: Omit<Ending, "ranMs" | "endedAtMs" | "error"> | undefined;
  error: unknown;
  told: unknown[];
  complaints: string[];
}

/** Runs one attempt of a handler with this body in a thread, and one on the main thread, and answers what came of both. */
async function both(
  body: string,
  changes: Partial<TakenJob> = {},
  members = "",
): Promise<[Outcome, Outcome]> {
  const [handler] = await threadHandlers({ both: threadFile("both", body, members) });
  const job = taken({ kind: "both", ...changes });
  return [await attempt(handler!, job, true), await attempt(handler!, job, false)];
}

async function attempt(
  { file, definition }: LoadedHandler,
  job: TakenJob,
  thread: boolean,
): Promise<Outcome> {
  const told: unknown[] = [];
  const complaints: string[] = [];
  const tell: Report["tell"] = (type, data) => told.push([type, data]);
  const { progressData, logData, outputData } = await import("../../src/job/line_data.ts");
  const ending = await runJob({
    job,
    registry: registry([{ ...definition, thread }]),
    breaker: new Breaker(),
    reporter: {
      tell,
      miss: (lines) => told.push(["missed", lines]),
      progress: (percent, message) => tell("progress", progressData(percent, message)),
      log: (message, fields) => tell("log", logData(message, fields)),
      emit: (chunk) => tell("output", outputData(chunk)),
    },
    threads: startThreads([{ file, definition }]),
    defaultTimeoutMs: 60_000,
    random: () => 0.5,
    complain: (error) => complaints.push(String(error)),
    spentInVain: () => {},
  });
  const { ranMs, endedAtMs, error, ...rest } = ending!;
  return { ending: rest, error: withoutStacks(error), told, complaints };
}

/** Where an error was thrown is the same; who called is not. */
function withoutStacks(error: unknown): unknown {
  const text = JSON.stringify(error, (key, value) =>
    key === "stack" ? /both\.ts|at <anonymous>|native/.test(value) : value,
  );
  return JSON.parse(text);
}

describe("a result", () => {
  test.each([
    ["an object", "return { a: [1, 'x'], b: undefined, c: new Date(0) };"],
    ["null", "return null;"],
    ["nothing", "return;"],
    ["a text", "return 'x\\u0000\\ud800';"],
    ["NaN", "return NaN;"],
    ["a map", "return new Map([[1, 2]]);"],
    ["bytes", "return new Uint8Array([1, 2]);"],
    ["a circle", "const a = {}; a.a = a; return a;"],
    ["a BigInt", "return { n: 10n };"],
    ["a function", "return () => 1;"],
    ["a function in an object", "return { f: () => 1, n: 1 };"],
    ["a symbol", "return Symbol('x');"],
    ["an object that refuses", "return { toJSON() { throw new Error('not me'); } };"],
    ["a promise", "return Promise.resolve(7);"],
    ["exactly a mebibyte", "return 'x'.repeat(1024 * 1024 - 2);"],
    ["more than a mebibyte", "return 'x'.repeat(1024 * 1024 - 1);"],
  ])("%s", async (_, body) => {
    const [apart, here] = await both(body);
    expect(apart).toEqual(here);
  });
});

describe("an error", () => {
  test.each([
    ["an Error with a cause", "throw new TypeError('no', { cause: new RangeError('why') });"],
    ["a text", "throw 'a sentence';"],
    ["undefined", "throw undefined;"],
    ["an object", "throw { code: 7 };"],
    ["a function", "throw () => 1;"],
    ["a symbol", "throw Symbol('x');"],
    [
      "an error with odd members",
      "throw Object.assign(new Error('x'), { name: Symbol('n'), code: () => 1 });",
    ],
    ["an error whose message is no text", "throw Object.assign(new Error('x'), { message: { a: 1 } });"],
    ["a proxy that hides what it is", "throw new Proxy({}, { getPrototypeOf() { throw 1; } });"],
    ["a class of its own", "class Own extends Error { name = 'Own'; }; throw new Own('mine');"],
    ["a huge message", "throw new Error('x'.repeat(100_000));"],
    ["a rejected promise", "await Promise.reject(new Error('late'));"],
    ["do not retry", "throw new HandlerError('no', { retryAfter: false });"],
    ["retry after", "throw new HandlerError('later', { retryAfter: 1234, cause: 'because' });"],
    ["a snooze", "throw new Snooze(5_000, 'not today');"],
    ["a snooze for ever", "throw new Snooze(Infinity);"],
    ["no snooze at all", "throw new Snooze(-1);"],
    ["too deep a recursion", "const f = () => f() + 1; f();"],
  ])("%s", async (_, body) => {
    const [apart, here] = await both(body, { attempt: 3, failures: 1, losses: 1 });
    expect(apart).toEqual(here);
  });

  test("of the last try", async () => {
    const [apart, here] = await both("throw new Error('x');", { failures: 3, maxAttempts: 4 });
    expect(apart).toEqual(here);
    expect(apart.ending).toMatchObject({ outcome: "failed", failures: 4, retryAfterMs: null });
  });

  test("is what the retry function gets, itself and not a copy", async () => {
    const members = `retry: (failures, error) => (error instanceof RangeError && error.wait ? failures * error.wait : false),`;
    const [apart, here] = await both(
      "throw Object.assign(new RangeError('x'), { wait: 700 });",
      { failures: 1 },
      members,
    );
    expect(apart).toEqual(here);
    expect(apart.ending?.retryAfterMs).toBe(1_400);
  });

  test("leaves it to the curve when the retry function fails, which is complained of", async () => {
    const members = "retry() { throw new TypeError('cannot count'); },";
    const [apart, here] = await both("throw new Error('x');", {}, members);
    expect(apart.complaints).toEqual(["TypeError: cannot count"]);
    expect(apart.complaints).toEqual(here.complaints);
    expect(apart.ending?.retryAfterMs).toBeWithin(900, 1_101);
  });
});

describe("what a handler", () => {
  test("gets", async () => {
    const body = "return [payload, context.job, context.attempt, context.signal.aborted];";
    const payload = '{"n":12345678901234567890,"a":[null]}';
    const [apart, here] = await both(body, { payload, attempt: 4, traceparent: "00-1-2-03" });
    expect(apart).toEqual(here);
    expect(JSON.parse(apart.ending!.result!)[1]).toMatchObject({ kind: "both", payloadText: payload });
  });

  test("tells, whatever it is", async () => {
    const [apart, here] = await both(`
      const { progress, log, emit } = context;
      progress(-5); progress(50, "half"); progress(NaN); progress("x"); progress(200, { not: "a text" });
      log("hello"); log("with", { fields: [1], f: () => 1 }); log({ a: 1 }); log("n", { n: 1n });
      emit("chunk"); emit(undefined); emit(() => 1); emit({ deep: { er: [new Date(0)] } }); emit("x".repeat(65_536));
    `);
    expect(apart).toEqual(here);
    expect(apart.told.length).toBe(14);
  });

  test("has spent, the latest word of it", async () => {
    const [apart, here] = await both(`
      context.spent({ input_tokens: 1, output_tokens: 2 });
      for (let n = 0; n < 1_000; n++) context.spent({ input_tokens: n, output_tokens: -1, cost: "much" });
      throw new Error("x");
    `);
    expect(apart).toEqual(here);
    expect(apart.ending?.usage).toEqual({ input_tokens: 999, output_tokens: 0 });
  });

  test("says wrongly about what it has spent", async () => {
    const [apart, here] = await both("context.spent();");
    expect(apart).toEqual(here);
    expect(apart.ending).toMatchObject({
      outcome: "completed",
      usage: { input_tokens: 0, output_tokens: 0 },
    });
  });

  test("must not get: a payload that does not fit ends the job without a thread", async () => {
    const members = "payload: Type.Object({ to: Type.String() }),";
    const [apart, here] = await both("return 1;", { payload: '{"to":7}' }, members);
    expect(apart).toEqual(here);
    expect(apart.error).toMatchObject({ reason: "invalid_payload" });
  });
});
