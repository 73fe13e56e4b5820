import type { Database } from "../db/connect.ts";
import type { Emit } from "../observability/events.ts";
import { rescueJobs } from "../queue/rescue.ts";
import type { Task } from "./task.ts";

export interface RescuerParts {
  db: Database;
  emit: Emit;
  workerTtlMs: number;
  maxLosses: number;
}

/** Leases in one statement: a short transaction even when a whole fleet is gone. */
const BATCH = 200;
/** With the worker's time to live this makes up how long lost work stays away. */
const SWEEPS_PER_TTL = 3;

/** Lets the jobs of workers that are gone run again, or ends those that may not. */
export function rescuer({ db, emit, workerTtlMs, maxLosses }: RescuerParts): Task {
  return {
    name: "rescuer",
    everyMs: workerTtlMs / SWEEPS_PER_TTL,
    async runOnce() {
      let lost = 0;
      let crashed = 0;
      let failed = 0;
      let leases: number;
      do {
        const rescued = await rescueJobs(db, { maxLosses, limit: BATCH });
        lost += rescued.lost;
        crashed += rescued.crashed;
        failed += rescued.failed;
        leases = rescued.leases;
      } while (leases === BATCH);
      if (lost + crashed + failed > 0) emit("jobs.rescued", { lost, crashed, failed });
    },
  };
}
