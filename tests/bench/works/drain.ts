import type { Work } from "../work.ts";

export const drain: Work = {
  name: "drain",
  title: ({ jobs, limitSeconds }) =>
    `Drain: ${jobs} no-op jobs are waiting when a worker begins; after ${limitSeconds} s it counts what is done`,
  columns: () => [{ key: "perSecond", title: "jobs/s", better: "more" }],
  tasks: ["insert", "drain"],
  async measure(session, _, { jobs, limitSeconds }) {
    await session.insert({ jobs });
    const done = await session.drain({ jobs, limitMs: limitSeconds * 1_000 });
    return { perSecond: done.jobs / done.seconds };
  },
};
