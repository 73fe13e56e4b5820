import { statSync } from "node:fs";
import { EXECUTABLE } from "../executable.ts";
import type { Work } from "../work.ts";

export const footprint: Work = {
  name: "footprint",
  title: ({ jobs }) =>
    `Footprint: a process that works, on a database whose schema is there; busy is after ${jobs} jobs`,
  columns: () => [
    { key: "startMs", title: "from start until ready, ms", better: "less" },
    { key: "idleMb", title: "memory, idle, MB", better: "less" },
    { key: "busyMb", title: "memory, busy, MB", better: "less" },
  ],
  tasks: ["footprint"],
  measure: async (session, _, { jobs }) => ({ ...(await session.footprint(jobs)) }),
};

/** In MB; there is nothing else to install. */
export const executableMb = () => statSync(EXECUTABLE).size / 1024 / 1024;
