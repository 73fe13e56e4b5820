import type { Progress } from "../contender.ts";
import type { Work } from "../work.ts";

/** Until everything is under way. */
const WARM_UP = 0.2;

export const steady: Work = {
  name: "steady",
  title: ({ seconds }) =>
    `Steady state: one process inserts jobs by 100 in 4 calls at a time, another works, for ${seconds} s`,
  columns: () => [{ key: "perSecond", title: "jobs/s", better: "more" }],
  tasks: ["steady"],
  measure: async (session, _, { seconds }) => ({
    perSecond: ratePerSecond(await session.steady({ seconds }), WARM_UP),
  }),
};

/** Jobs done per second after the first `part` of the time. */
export function ratePerSecond(progress: readonly Progress[], part: number): number {
  const last = progress.at(-1)!;
  const first = progress.find(({ ms }) => ms >= last.ms * part)!;
  return (last.done - first.done) / ((last.ms - first.ms) / 1_000);
}
