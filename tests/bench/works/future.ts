import type { Work } from "../work.ts";
import { inWords } from "./backlog.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

export const future: Work = {
  name: "future",
  title: ({ jobs, future }) => `Future jobs: a drain of ${jobs} while ${inWords(future)} wait for tomorrow`,
  columns: () => [{ key: "perSecond", title: "jobs/s", better: "more" }],
  tasks: ["insert", "drain"],
  suits: ({ mode, name }) => mode !== "default" && name !== "the floor",
  async measure(session, _, { jobs, future, limitSeconds }) {
    await session.insert({ jobs: future, dueInMs: DAY_MS });
    await session.insert({ jobs });
    const done = await session.drain({ jobs, limitMs: limitSeconds * 1_000 });
    return { perSecond: done.jobs / done.seconds };
  },
};
