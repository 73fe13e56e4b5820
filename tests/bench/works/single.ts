import type { Figures, Work } from "../work.ts";
import { hasWrk, WRK_MISSING } from "../wrk.ts";

const CALLERS = [1, 16, 256];

/** Each call is committed before its answer, but for BullMQ on Redis. */
export const single: Work = {
  name: "single",
  title: ({ seconds }) => `Single inserts: ${seconds} s each of calls for one job; over HTTP for jobsvc`,
  columns: () =>
    CALLERS.flatMap((callers) => [
      { key: `rate${callers}`, title: `${callers} callers, jobs/s`, better: "more" as const },
      { key: `p99of${callers}`, title: "p99, ms", better: "less" as const, digits: 1 },
    ]),
  tasks: ["single"],
  missing: () => (hasWrk() ? undefined : WRK_MISSING),
  async measure(session, _, { seconds }) {
    const figures: Figures = {};
    for (const callers of CALLERS) {
      const done = await session.single({ callers, seconds });
      figures[`rate${callers}`] = done.jobs / done.seconds;
      figures[`p99of${callers}`] = done.p99;
    }
    return figures;
  },
};
