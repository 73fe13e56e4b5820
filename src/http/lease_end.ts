import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { HandlerError, Snooze } from "../job/errors.ts";
import { MAX_RESULT_BYTES } from "../job/outcome.ts";
import { MAX_WISHED_DELAY_MS } from "../job/retry.ts";
import { type Circumstances, verdictOn } from "../job/verdict.ts";
import type { HeldEnding } from "../queue/end_held.ts";
import { fieldErrors, invalid } from "./field_errors.ts";
import { memberText } from "./json_text.ts";
import { Problem } from "./problem.ts";
import type { JsonBody } from "./request_body.ts";

/** A result, and what surrounds it; or an error, of which much is cut. */
export const MAX_END_BYTES = MAX_RESULT_BYTES + 64 * 1024;

const delay = (description: string) =>
  Type.Integer({ minimum: 0, maximum: MAX_WISHED_DELAY_MS, description });

const ended = <Outcome extends string, Members extends Record<string, TSchema>>(
  outcome: Outcome,
  members: Members,
  description: string,
) =>
  Type.Object({ outcome: Type.Literal(outcome), ...members }, { additionalProperties: false, description });

const Completed = ended(
  "completed",
  {
    result: Type.Optional(
      Type.Unknown({ description: "Any JSON value, kept as it is sent; at most 1 MiB." }),
    ),
  },
  "The job is done.",
);

const Failed = ended(
  "failed",
  {
    error: Type.Object(
      { name: Type.Optional(Type.String()), message: Type.String(), stack: Type.Optional(Type.String()) },
      { additionalProperties: false, description: "For people. Long texts are cut." },
    ),
    retry: Type.Optional(
      Type.Boolean({
        default: true,
        description: "False when another try is useless. Else there is one as long as `max_retries` allow.",
      }),
    ),
    retry_after_ms: Type.Optional(delay("When to try again; by the rules of the kind when left out.")),
  },
  "Something went wrong.",
);

const Snoozed = ended(
  "snoozed",
  { delay_ms: delay("When to try again.") },
  "There is nothing to do yet; this attempt takes no try away.",
);

const Released = ended(
  "released",
  {},
  "The worker stops: the job can run elsewhere at once; this takes no try away.",
);

export const LeaseEndBody = Type.Union([Completed, Failed, Snoozed, Released], {
  $id: "LeaseEnd",
  description: "How the attempt ended.",
  examples: [{ outcome: "completed", result: { sent: 3 } }],
});

/** Who calls back has no place from which the job could be released. */
export const CallbackEndBody = Type.Union([Completed, Failed, Snoozed], {
  $id: "CallbackEnd",
  description: "How the attempt ended.",
  examples: [{ outcome: "completed", result: { sent: 3 } }],
});

type LeaseEnd = Static<typeof LeaseEndBody>;

const checks = {
  completed: TypeCompiler.Compile(Completed),
  failed: TypeCompiler.Compile(Failed),
  snoozed: TypeCompiler.Compile(Snoozed),
  released: TypeCompiler.Compile(Released),
};

type EndOutcome = keyof typeof checks;
const CALLBACK_OUTCOMES: readonly EndOutcome[] = ["completed", "failed", "snoozed"];

/** How the attempt ends, once it is known where the job stands. */
export type EndAt = (circumstances: Circumstances) => HeldEnding;

/** Reads what a worker says of the end, or throws the problem that names every field that is wrong. */
export function readLeaseEnd(body: JsonBody): EndAt {
  return readEnd(body, Object.keys(checks) as EndOutcome[]);
}

/** The same for what a client says that calls back. */
export function readCallbackEnd(body: JsonBody): EndAt {
  return readEnd(body, CALLBACK_OUTCOMES);
}

function readEnd({ value, text }: JsonBody, outcomes: readonly EndOutcome[]): EndAt {
  const end = checked(value, outcomes);
  switch (end.outcome) {
    case "completed":
      return completed(resultText(text));
    case "failed":
      return thrown(errorOf(end));
    case "snoozed":
      return thrown(new Snooze(end.delay_ms));
    case "released":
      return ({ failures }) => ({ ...NOTHING, outcome: "released", failures, retryAfterMs: 0 });
  }
}

/** By the outcome that it names, for of a union nobody could say what is wrong. */
function checked(value: unknown, outcomes: readonly EndOutcome[]): LeaseEnd {
  const named = typeof value === "object" && value !== null && "outcome" in value ? value.outcome : undefined;
  const outcome = outcomes.find((known) => known === named);
  if (outcome === undefined)
    throw invalid([{ pointer: "/outcome", detail: `must be one of ${outcomes.join(", ")}` }]);
  const check = checks[outcome];
  if (!check.Check(value)) throw invalid(fieldErrors(check.Errors(value)));
  const end = value as LeaseEnd;
  if (end.outcome === "failed" && end.retry === false && end.retry_after_ms !== undefined)
    throw invalid([{ pointer: "/retry_after_ms", detail: "contradicts retry: false" }]);
  return end;
}

/** The very characters of the result; null for one that was left out. */
function resultText(body: string): string | null {
  const text = memberText(body, "result");
  if (text === undefined) return null;
  if (Buffer.byteLength(text) <= MAX_RESULT_BYTES) return text;
  const detail = `must not be larger than ${MAX_RESULT_BYTES} bytes`;
  throw new Problem("too_large", `the result ${detail}`, { errors: [{ pointer: "/result", detail }] });
}

const NOTHING = { error: null, result: null, usage: null };

function completed(result: string | null): EndAt {
  return ({ failures }) => ({ ...NOTHING, outcome: "completed", failures, retryAfterMs: null, result });
}

function thrown(error: Error): EndAt {
  return (circumstances) => ({ ...NOTHING, ...verdictOn(error, circumstances) });
}

/** As if a handler here had thrown it, without a stack of ours. */
function errorOf({ error, retry, retry_after_ms }: Static<typeof Failed>): HandlerError {
  const retryAfter = retry === false ? false : retry_after_ms;
  const thrown = new HandlerError(error.message, retryAfter === undefined ? {} : { retryAfter });
  thrown.name = error.name ?? "Error";
  delete thrown.stack;
  if (error.stack !== undefined) thrown.stack = error.stack;
  return thrown;
}
