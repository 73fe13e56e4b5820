import { describe, expect, test } from "bun:test";
import { aiAgent } from "../../src/handlers/ai_agent.ts";
import { clientAgent } from "../../src/handlers/client_agent.ts";
import type { Reporter } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import { simulated } from "../../src/handlers/simulated.ts";
import { agentParts } from "../support/called_agents.ts";
import { contextOf } from "../support/handlers.ts";

interface Options {
  attempt?: number;
  signal?: AbortSignal;
  durationMs?: number;
  reporter?: Partial<Reporter>;
}

/** What one attempt with this payload comes to. */
async function attemptWith(payload: never, options: Options = {}): Promise<unknown> {
  const { attempt = 1, signal = new AbortController().signal, durationMs = 0, reporter } = options;
  const context = contextOf({ ...reporter, attempt, signal });
  return await simulated("demo", durationMs).run(payload, context);
}

const payload = (value: unknown) => value as never;
const simulate = (wish: object) => payload({ task: "x", simulate: wish });

async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
}

describe("a simulated handler", () => {
  test("takes its time and then says that it only simulated", async () => {
    const begun = performance.now();
    expect(await attemptWith(payload({}), { durationMs: 30 })).toEqual({ simulated: true, duration_ms: 30 });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(29);
  });

  test("tells how far it is, unless it is over before anybody could look", async () => {
    const told: unknown[][] = [];
    const reporter = {
      progress: (...said: unknown[]) => void told.push(said),
      log: (...said: unknown[]) => void told.push(said),
    };
    await attemptWith(payload({}), { durationMs: 99, reporter });
    expect(told).toEqual([]);
    await attemptWith(payload({}), { durationMs: 100, reporter });
    expect(told).toEqual([["simulating work", { duration_ms: 100 }], [25], [50], [75], [100]]);
  });

  test("takes the time that the payload wants instead", async () => {
    const work = attemptWith(simulate({ duration_ms: 1 }), { durationMs: 60_000 });
    expect(await work).toEqual({ simulated: true, duration_ms: 1 });
  });

  test("works on any JSON", async () => {
    for (const value of [null, 1, "text", true, [], {}, { task: 1 }])
      expect(await attemptWith(payload(value))).toMatchObject({ simulated: true });
  });

  test("fails always, when it is asked to, and says on which attempt", async () => {
    for (const attempt of [1, 2, 50]) {
      const error = await thrownBy(attemptWith(simulate({ fail: "always" }), { attempt }));
      expect(error).toMatchObject({
        name: "HandlerError",
        message: `simulated failure of attempt ${attempt}`,
      });
    }
  });

  test("fails on the first so many attempts", async () => {
    const outcomes = [1, 2, 3, 4].map((attempt) =>
      attemptWith(simulate({ fail: 2 }), { attempt }).then(
        () => "completed",
        () => "failed",
      ),
    );
    expect(await Promise.all(outcomes)).toEqual(["failed", "failed", "completed", "completed"]);
  });

  test("throws whatever it is given, also what is no Error", async () => {
    for (const thrown of ["a string", null, 7, { code: 1 }, ["x"]])
      expect(await thrownBy(attemptWith(simulate({ fail: 1, throw: thrown })))).toEqual(thrown);
  });

  test("throws nothing without being asked to fail", async () => {
    expect(await attemptWith(simulate({ throw: "x" }))).toMatchObject({ simulated: true });
  });

  test("fails only after its time", async () => {
    const begun = performance.now();
    await thrownBy(attemptWith(simulate({ fail: 1, duration_ms: 20 })));
    expect(performance.now() - begun).toBeGreaterThanOrEqual(19);
  });

  test("stops at once when it is told to", async () => {
    const controller = new AbortController();
    const work = attemptWith(payload({}), { durationMs: 60_000, signal: controller.signal });
    controller.abort("released");
    expect(await thrownBy(work)).toMatchObject({ name: "AbortError" });
  });
});

describe("the wish to simulate", () => {
  const { checkPayload } = registry([aiAgent(agentParts()), clientAgent(agentParts())]);

  test.each([
    [null],
    ["text"],
    [[1]],
    [{}],
    [{ simulate: {} }],
    [{ simulate: { fail: "always" } }],
    [{ simulate: { fail: 1, throw: null, duration_ms: 0 } }],
  ])("%j is fine", (value) => {
    expect(checkPayload("ai_agent", value)).toEqual([]);
    expect(checkPayload("client_agent", value)).toEqual([]);
  });

  test.each([
    [{ simulate: { fail: "sometimes" } }],
    [{ simulate: { fail: 0 } }],
    [{ simulate: { fail: 1.5 } }],
    [{ simulate: { duration_ms: -1 } }],
    [{ simulate: { duration_ms: 3_600_001 } }],
    [{ simulate: { typo: 1 } }],
    [{ simulate: "always" }],
  ])("%j is refused", (value) => {
    expect(checkPayload("ai_agent", value)).not.toEqual([]);
  });

  test("that is wrong is pointed at", () => {
    const pointers = (value: unknown) => checkPayload("ai_agent", value).map(({ pointer }) => pointer);
    expect(pointers({ simulate: { duration_ms: -1 } })).toContain("/simulate/duration_ms");
    expect(pointers({ simulate: { typo: 1 } })).toContain("/simulate/typo");
    expect(pointers({ simulate: { fail: 0 } })).toContain("/simulate/fail");
  });
});
