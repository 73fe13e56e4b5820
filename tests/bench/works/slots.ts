import type { Work } from "../work.ts";

const JOB_MS = 10;
const SLOTS = 100;
/** Of the jobs of other works: these take their time. */
const PART = 0.4;

/** What is not the job's own time, but taking it, starting it and writing its end. */
export const slots: Work = {
  name: "slots",
  title: ({ jobs }) =>
    `Jobs of ${JOB_MS} ms: ${jobs * PART} of them, ${SLOTS} at once; at best 10,000 a second`,
  columns: () => [
    { key: "perSecond", title: "jobs/s", better: "more" },
    { key: "overheadMs", title: "overhead a job, ms of a slot", better: "less", digits: 2 },
  ],
  tasks: ["insert", "drain"],
  suits: ({ mode }) => mode === "as it comes" || mode === "fastest",
  async measure(session, _, { jobs: all, limitSeconds }) {
    const jobs = all * PART;
    await session.insert({ jobs, jobMs: JOB_MS });
    const done = await session.drain({ jobs, jobMs: JOB_MS, slots: SLOTS, limitMs: limitSeconds * 1_000 });
    const slotMs = (done.seconds * 1_000 * SLOTS) / done.jobs;
    return { perSecond: done.jobs / done.seconds, overheadMs: slotMs - JOB_MS };
  },
};
