import { flagOf } from "./names.ts";
import type { Settings } from "./settings.ts";

/** What is wrong between settings that are each right, as sentences that say what to do. */
export function contradictions(settings: Settings): string[] {
  const problems: string[] = [];
  const twice = settings.queues.find(({ name }, index) =>
    settings.queues.some((other, at) => at < index && other.name === name),
  );
  if (twice) problems.push(`${flagOf("queues")}: names ${twice.name} twice`);
  return problems;
}
