import { TypeCompiler } from "@sinclair/typebox/compiler";
import type { JobDefinition } from "./define.ts";
import { type PayloadProblem, payloadProblems } from "./payload_problems.ts";

export interface Registry {
  kinds: readonly string[];
  /** Of these, the ones whose jobs must not run again once they were lost. */
  failLost: readonly string[];
  find(kind: string): JobDefinition | undefined;
  /** Nothing is wrong with the payload of a kind that is not known here: a worker that knows it will judge it. */
  checkPayload(kind: string, payload: unknown): PayloadProblem[];
}

/** The table kind → handler. Throws when two handlers claim one kind. */
export function registry(definitions: readonly JobDefinition[]): Registry {
  const known = new Map<
    string,
    { definition: JobDefinition; check: ReturnType<typeof TypeCompiler.Compile> }
  >();
  for (const definition of definitions) {
    if (known.has(definition.kind)) throw new Error(`two handlers claim the kind "${definition.kind}"`);
    known.set(definition.kind, { definition, check: TypeCompiler.Compile(definition.payload) });
  }
  return {
    kinds: [...known.keys()],
    failLost: definitions.filter(({ onLost }) => onLost === "fail").map(({ kind }) => kind),
    find: (kind) => known.get(kind)?.definition,
    checkPayload(kind, payload) {
      const check = known.get(kind)?.check;
      if (!check || check.Check(payload)) return [];
      return payloadProblems(check.Errors(payload));
    },
  };
}
