import type { Work } from "../work.ts";

export const bulk: Work = {
  name: "bulk",
  title: ({ jobs }) => `Bulk insert: ${jobs} jobs in calls of 5,000 (the engine: 1,000), two at a time`,
  columns: () => [{ key: "perSecond", title: "jobs/s", better: "more" }],
  tasks: ["insert"],
  // How it is worked does not matter here, but where a rival has a slower way to insert that is its default.
  suits: ({ name, mode }) => mode !== "default" || name === "River",
  measure: async (session, _, { jobs }) => ({ perSecond: jobs / (await session.insert({ jobs })) }),
};
