import type { Database } from "../db/connect.ts";
import { isUnavailable } from "../db/deadline.ts";
import type { NewJob } from "../job/job.ts";
import type { Claim } from "./claim.ts";
import { insertJobs } from "./insert.ts";

/** One statement's worth; beyond it the parsing of the arrays delays those who wait more than a second trip would. */
const MAX_GROUP = 1_000;

export interface Inserter {
  /**
   * Resolves once the jobs are committed, all of them; with false when the claim had been made before, so that nothing
   * was inserted. Rejects when they are not committed, or when that is unknown.
   */
  insert(jobs: readonly NewJob[], claim?: Claim): Promise<boolean>;
}

interface Waiting {
  jobs: readonly NewJob[];
  claim: Claim | undefined;
  resolve: (inserted: boolean) => void;
  reject: (error: unknown) => void;
}

/**
 * Commits inserts in groups: those that arrive while a statement is in flight go together in the
 * next one. Under load many callers share one commit, and an idle service adds no delay at all.
 * `onInserted` hears the queues of each committed group, to wake their workers.
 */
export function inserter(db: Database, onInserted: (queues: ReadonlySet<string>) => void): Inserter {
  let waiting: Waiting[] = [];
  let inFlight = false;

  async function flush() {
    if (inFlight) return;
    inFlight = true;
    while (waiting.length > 0) await insertGroup(nextGroup());
    inFlight = false;
  }

  /** As many as fit into a statement, and at least one. */
  function nextGroup(): Waiting[] {
    let jobs = 0;
    const end = waiting.findIndex((one, place) => {
      jobs += one.jobs.length;
      return place > 0 && jobs > MAX_GROUP;
    });
    const group = waiting.slice(0, end === -1 ? waiting.length : end);
    waiting = waiting.slice(group.length);
    return group;
  }

  async function insertGroup(group: readonly Waiting[]) {
    try {
      const jobs = group.flatMap(({ jobs }) => jobs);
      const claims = group.flatMap(({ jobs, claim }) =>
        claim ? { ...claim, jobIds: jobs.map((job) => job.id) } : [],
      );
      const inserted = new Set(await insertJobs(db, jobs, claims));
      onInserted(new Set(jobs.map((job) => job.queue)));
      // Without a claim a job that was not inserted now was inserted by an earlier try of this very call.
      for (const { jobs, claim, resolve } of group) {
        resolve(claim === undefined || jobs.every((job) => inserted.has(job.id)));
      }
    } catch (error) {
      // A job that the database refuses must not take its neighbours with it: each is tried alone.
      if (group.length > 1 && !isUnavailable(error)) for (const one of group) await insertGroup([one]);
      else for (const { reject } of group) reject(error);
    }
  }

  return {
    insert(jobs, claim) {
      return new Promise((resolve, reject) => {
        waiting.push({ jobs, claim, resolve, reject });
        void flush();
      });
    },
  };
}
