import type { ValueErrorIterator } from "@sinclair/typebox/errors";

/** What is wrong with a payload, and where: `pointer` is a JSON Pointer into it. */
export interface PayloadProblem {
  pointer: string;
  detail: string;
}

/** One list is enough to find the mistake; a hostile payload could have thousands. */
const MAX_PROBLEMS = 20;

/** TypeBox's errors as problems: the first so many. */
export function payloadProblems(errors: ValueErrorIterator): PayloadProblem[] {
  const problems: PayloadProblem[] = [];
  for (const { path, message, errors: ofAlternatives } of errors) {
    const closer = ofAlternatives.map(payloadProblems).filter((found) => depthOf(found) > path.length);
    problems.push(...(closer.length > 0 ? deepest(closer) : [{ pointer: path, detail: message }]));
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
