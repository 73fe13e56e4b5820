import type { Database } from "../db/connect.ts";
import { isUnavailable } from "../db/deadline.ts";
import type { NewJob } from "../job/job.ts";
import { insertJobs } from "./insert.ts";

/** One statement's worth; beyond it the parsing of the arrays delays those who wait more than a second trip would. */
const MAX_GROUP = 1_000;

export interface Inserter {
  /** Resolves once the job is committed. Rejects when it is not, or when that is unknown. */
  insert(job: NewJob): Promise<void>;
}

interface Waiting {
  job: NewJob;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * Commits single inserts in groups: those that arrive while a statement is in flight go together in the
 * next one. Under load many callers share one commit, and an idle service adds no delay at all.
 * `onInserted` hears the queues of each committed group, to wake their workers.
 */
export function inserter(db: Database, onInserted: (queues: ReadonlySet<string>) => void): Inserter {
  let waiting: Waiting[] = [];
  let inFlight = false;

  async function flush() {
    if (inFlight) return;
    inFlight = true;
    while (waiting.length > 0) {
      const group = waiting.slice(0, MAX_GROUP);
      waiting = waiting.slice(MAX_GROUP);
      await insertGroup(group);
    }
    inFlight = false;
  }

  async function insertGroup(group: readonly Waiting[]) {
    try {
      await insertJobs(
        db,
        group.map(({ job }) => job),
      );
      onInserted(new Set(group.map(({ job }) => job.queue)));
      for (const { resolve } of group) resolve();
    } catch (error) {
      // A job that the database refuses must not take its neighbours with it: each is tried alone.
      if (group.length > 1 && !isUnavailable(error)) for (const one of group) await insertGroup([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  return {
    insert(job) {
      return new Promise((resolve, reject) => {
        waiting.push({ job, resolve, reject });
        void flush();
      });
    },
  };
}
