import { Type } from "@sinclair/typebox";
import { registry } from "../../src/handlers/registry.ts";
import { handler } from "../support/handlers.ts";

const payloads = {
  letter: Type.Object({
    to: Type.Array(Type.String({ format: "email" }), { minItems: 1 }),
    text: Type.Optional(Type.String()),
  }),
  "of:pairs": Type.Tuple([Type.String(), Type.Union([Type.Integer(), Type.Null()])]),
  tree: Type.Recursive((Node) => Type.Object({ name: Type.String(), children: Type.Array(Node) })),
  word: Type.String({ pattern: "^[a-z]+$" }),
  anything: Type.Unknown(),
  odd: Type.Object({
    $id: Type.String(),
    $ref: Type.String(),
    items: Type.Record(Type.String(), Type.Number()),
  }),
  ai_agent: Type.Object({ task: Type.String() }),
};

/** Kinds with payloads of every shape that a document has to show. */
export const KINDS = registry(
  Object.entries(payloads).map(([kind, payload]) =>
    handler(() => undefined, { kind, payload, ...(kind === "letter" && { queue: "mail", maxAttempts: 7 }) }),
  ),
);
