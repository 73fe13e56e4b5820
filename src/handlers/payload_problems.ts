import type { ValueErrorIterator } from "@sinclair/typebox/errors";

/** What is wrong with a payload, and where: `pointer` is a JSON Pointer into it. */
export interface PayloadProblem {
  pointer: string;
  detail: string;
}

/** One list is enough to find the mistake; a hostile payload could have thousands. */
const MAX_PROBLEMS = 20;

/** TypeBox's errors as problems: the first of each place, and the first so many. */
export function payloadProblems(errors: ValueErrorIterator): PayloadProblem[] {
  const problems: PayloadProblem[] = [];
  for (const { path, message, errors: ofAlternatives } of errors) {
    const closer = ofAlternatives.map(payloadProblems).filter((inside) => depthOf(inside) > path.length);
    const found = closer.length > 0 ? deepest(closer) : [{ pointer: path, detail: message }];
    // A member that is missing is not of the right type, either: once is enough.
    problems.push(...found.filter(({ pointer }) => !problems.some((known) => known.pointer === pointer)));
    if (problems.length >= MAX_PROBLEMS) break;
  }
  return problems.slice(0, MAX_PROBLEMS);
}

/** Of several alternatives, the one whose mistake lies deepest is the one that was meant. */
function deepest(alternatives: PayloadProblem[][]): PayloadProblem[] {
  return alternatives.reduce((best, other) => (depthOf(other) > depthOf(best) ? other : best));
}

function depthOf(problems: readonly PayloadProblem[]): number {
  return problems[0]?.pointer.length ?? 0;
}
