import { setTimeout as sleep } from "node:timers/promises";
import { type TProperties, Type } from "@sinclair/typebox";
import { HandlerError } from "../job/errors.ts";
import { defineJob, type JobContext, type JobDefinition } from "./define.ts";

/** How a payload asks a simulated handler to behave. */
const Simulate = Type.Object(
  {
    /** Fail every attempt, or only the first so many. */
    fail: Type.Optional(Type.Union([Type.Literal("always"), Type.Integer({ minimum: 1 })])),
    /** With `fail`: throw this value, as sloppy code does, instead of an Error. */
    throw: Type.Optional(Type.Unknown()),
    /** Work for this long instead of the kind's usual time. */
    duration_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_600_000 })),
  },
  { additionalProperties: false },
);

/** Any JSON value; of the members of an object only these have a meaning, and `simulate`. */
export const anyJson = <Members extends TProperties>(members: Members) =>
  Type.Union([
    Type.Object({ simulate: Type.Optional(Simulate), ...members }),
    Type.Array(Type.Unknown()),
    Type.String(),
    Type.Number(),
    Type.Boolean(),
    Type.Null(),
  ]);

const Payload = anyJson({});

/** Work that is over sooner tells nothing: nobody could watch it, and tiny jobs must stay tiny. */
const WORTH_TELLING_MS = 100;
const PARTS = 4;

/**
 * A handler that spends time instead of working, for a first try of the service and for tests: it does
 * everything that a real one does (takes time, tells how far it is, heeds its signal, fails and is retried) but the work.
 */
export function simulated(kind: string, durationMs: number): JobDefinition<typeof Payload> {
  return defineJob({
    kind,
    payload: Payload,
    async run(payload, context) {
      const simulate = isObject(payload) ? (payload.simulate ?? {}) : {};
      const ms = simulate.duration_ms ?? durationMs;
      await work(ms, context);
      if (simulate.fail === "always" || (simulate.fail !== undefined && context.attempt <= simulate.fail)) {
        throw "throw" in simulate
          ? simulate.throw
          : new HandlerError(`simulated failure of attempt ${context.attempt}`);
      }
      return { simulated: true, duration_ms: ms };
    },
  });
}

async function work(ms: number, { signal, log, progress }: JobContext) {
  if (ms < WORTH_TELLING_MS) return await sleep(ms, undefined, { signal });
  log("simulating work", { duration_ms: ms });
  for (let part = 1; part <= PARTS; part++) {
    await sleep(ms / PARTS, undefined, { signal });
    progress((part / PARTS) * 100);
  }
}

function isObject<Value>(value: Value): value is Extract<Value, { simulate?: unknown }> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
