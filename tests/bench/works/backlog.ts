import { median } from "../percentile.ts";
import type { Column, Figures, Work } from "../work.ts";

/** Drained at each size; small beside it, so that it stays what it is. */
const PART = 0.2;
const MOST_JOBS = 50_000;
const TAKES = 20;

export const backlog: Work = {
  name: "backlog",
  title: ({ backlog }) => `Backlog: the rate of the first jobs when ${backlog.map(inWords).join(", ")} wait`,
  columns: ({ backlog }) =>
    backlog.flatMap((size): Column[] => [
      { key: `rate${size}`, title: `${inWords(size)} wait, jobs/s`, better: "more" },
      { key: `take${size}`, title: "take of 500, ms", better: "less", digits: 2 },
    ]),
  tasks: ["insert", "drain"],
  suits: ({ mode, name }) => mode !== "default" && name !== "the floor",
  async measure(session, database, { backlog, limitSeconds }) {
    const figures: Figures = {};
    let waiting = 0;
    for (const size of backlog) {
      if (size > waiting) await session.insert({ jobs: size - waiting });
      await database.sql.unsafe("checkpoint"); // else it comes when it likes, to the one and not to the other
      const jobs = Math.min(MOST_JOBS, Math.ceil(size * PART));
      const done = await session.drain({ jobs, limitMs: limitSeconds * 1_000 });
      figures[`rate${size}`] = done.jobs / done.seconds;
      waiting = size - done.jobs;
      // Only the engine knows how long a take lasts.
      if (session.takes) figures[`take${size}`] = median(await session.takes(TAKES));
    }
    return figures;
  },
};

export function inWords(count: number): string {
  return count >= 1_000_000 ? `${count / 1_000_000} M` : `${count / 1_000} k`;
}
