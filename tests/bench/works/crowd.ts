import type { Work } from "../work.ts";

export const crowd: Work = {
  name: "crowd",
  title: ({ queues, workers }) => `Crowd: ${queues} queues, shared among ${workers} worker processes`,
  columns: () => [
    { key: "idlePerSecond", title: "statements/s of all when idle", better: "less" },
    { key: "perSecond", title: "jobs/s, inserted and worked", better: "more" },
  ],
  tasks: ["crowd"],
  async measure(session, _, { queues, workers, jobs }) {
    const done = await session.crowd({ queues, workers, jobs });
    return { idlePerSecond: done.idlePerSecond, perSecond: done.jobs / done.seconds };
  },
};
