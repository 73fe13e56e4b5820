import type { Database } from "../db/connect.ts";
import type { Emit } from "../observability/events.ts";
import { pruneClaims } from "../queue/claim.ts";
import { FIRST_PAGE, pruneJobs, type Retention } from "../queue/prune.ts";
import type { Task } from "./task.ts";

export interface PrunerParts {
  db: Database;
  emit: Emit;
  retention: Retention;
}

/** Jobs in one statement: a page of history is deleted in some ten milliseconds. */
const BATCH = 1_000;
const EVERY_MS = 60_000;

/** Deletes jobs whose outcome has been kept for long enough, and the idempotency keys of yesterday. */
export function pruner({ db, emit, retention }: PrunerParts): Task {
  return {
    name: "pruner",
    everyMs: EVERY_MS,
    async runOnce() {
      let jobs = 0;
      for (let after: string | null = FIRST_PAGE; after !== null; ) {
        const page = await pruneJobs(db, { retention, limit: BATCH, after });
        jobs += page.jobs;
        after = page.next;
      }
      while ((await pruneClaims(db, BATCH)) === BATCH);
      if (jobs > 0) emit("jobs.pruned", { jobs });
    },
  };
}
