import { percentile } from "../percentile.ts";
import type { Figures, Work } from "../work.ts";

/** The first ones also prepare statements on each connection and warm up code. Of those who do few in the time, one counts at least. */
const WARM_UPS = 50;

export const latency: Work = {
  name: "latency",
  title: ({ samples }) =>
    `Latency: from the call that inserts a job until its handler starts, on an idle system, ${samples} times`,
  columns: () =>
    ([1, 2] as const).flatMap((processes) => [
      { key: `p50in${processes}`, title: `${named(processes)}, p50, ms`, better: "less" as const, digits: 2 },
      { key: `p99in${processes}`, title: "p99, ms", better: "less" as const, digits: 2 },
    ]),
  tasks: ["latency"],
  async measure(session, _, { samples, limitSeconds }) {
    const figures: Figures = {};
    for (const processes of [1, 2] as const) {
      const asked = { samples: samples + WARM_UPS, processes, limitMs: limitSeconds * 1_000 };
      const all = await session.latency(asked);
      const ms = all.slice(Math.min(WARM_UPS, all.length - 1));
      figures[`p50in${processes}`] = percentile(ms, 0.5);
      figures[`p99in${processes}`] = percentile(ms, 0.99);
    }
    return figures;
  },
};

const named = (processes: 1 | 2) => (processes === 1 ? "one process" : "two processes");
