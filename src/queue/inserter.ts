import type { Database } from "../db/connect.ts";
import { isUnavailable } from "../db/deadline.ts";
import type { NewJob, TakenJob } from "../job/job.ts";
import type { Claim } from "./claim.ts";
import { type FreeSlots, startedJobs } from "./direct_start.ts";
import { type ClaimedJobs, insertInto } from "./insert.ts";

/** One statement's worth; beyond it the parsing of the arrays delays those who wait more than a second trip would. */
const MAX_GROUP = 1_000;

/**
 * A group of this size hardly gains by waiting for more: it is written out and sent while the server has another one in
 * hand. Of smaller ones, each of which costs a statement and a commit, one goes at a time.
 */
const WORTH_A_STATEMENT = 128;
const MAX_IN_FLIGHT = 2;
/**
 * While the one in hand takes longer, the database may be away: whoever waits behind it fails with it, instead of waiting
 * for a deadline of his own after that.
 */
const PROMPT_MS = 500;

export interface Inserter {
  /**
   * Resolves once the jobs are committed, all of them; with false when the claim had been made before, so that nothing
   * was inserted. Rejects when they are not committed, or when that is unknown.
   */
  insert(jobs: readonly NewJob[], claim?: Claim): Promise<boolean>;
}

/** Free slots that are kept for an insert until it says what starts there, be it nothing. */
export interface Offer extends FreeSlots {
  start(jobs: readonly TakenJob[]): void;
}

export interface InserterParts {
  db: Database;
  /**
   * Hears of the queues in which jobs wait since a group was committed, to wake their workers; and whether those of other
   * processes have heard of them already.
   */
  onWaiting: (queues: ReadonlySet<string>, told: boolean) => void;
  /** Whether the next statement may tell other processes itself. */
  leaveTelling?: () => boolean;
  /** Free slots of this process for as many jobs of a queue. Undefined where it has none, or where jobs wait already. */
  offer?: (queue: string, jobs: number) => Offer | undefined;
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
 */
export function inserter({ db, onWaiting, leaveTelling, offer }: InserterParts): Inserter {
  let waiting: Waiting[] = [];
  let inFlight = 0;
  let sentAtMs = 0;

  function flush() {
    while (waiting.length > 0 && (inFlight === 0 || mayFollow())) void send();
  }

  /** Whether another group may be sent while one is in flight. */
  function mayFollow(): boolean {
    return inFlight < MAX_IN_FLIGHT && performance.now() - sentAtMs < PROMPT_MS && isWorthOne();
  }

  async function send() {
    inFlight++;
    sentAtMs = performance.now();
    await insertGroup(nextGroup());
    inFlight--;
    flush();
  }

  /** Whether what waits is worth a statement by itself. */
  function isWorthOne(): boolean {
    let jobs = 0;
    return waiting.some((one) => {
      jobs += one.jobs.length;
      return jobs >= WORTH_A_STATEMENT;
    });
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
    const jobs = group.length === 1 ? group[0]!.jobs : group.flatMap(({ jobs }) => jobs);
    // A group of several queues is rare where slots are free: the others wait for a take.
    const free = jobs[0] && offer?.(jobs[0].queue, jobs.length);
    const tells = leaveTelling?.() ?? false;
    let started: TakenJob[] = [];
    try {
      const rows = await insertInto(db, { jobs, claims: claimsOf(group), free, tells });
      started = startedJobs(jobs, rows);
      tellWaiting(jobs, started, tells);
      // Without a claim a job that was not inserted now was inserted by an earlier try of this very call.
      const inserted = new Set(group.some(({ claim }) => claim) ? (rows ?? jobs).map(({ id }) => id) : []);
      for (const { jobs, claim, resolve } of group) {
        resolve(claim === undefined || jobs.every((job) => inserted.has(job.id)));
      }
    } catch (error) {
      // A job that the database refuses must not take its neighbours with it: each is tried alone.
      if (group.length > 1 && !isUnavailable(error)) for (const one of group) await insertGroup([one]);
      else for (const { reject } of group) reject(error);
      if (isUnavailable(error)) giveUpWaiting(error);
    } finally {
      // Not before those who wait have their answer: a handler may keep the thread busy for as long as it likes.
      if (started.length > 0) setImmediate(() => free?.start(started));
      else free?.start([]);
    }
  }

  /** Who came while the database did not answer has waited as well: one more try would double his time. */
  function giveUpWaiting(error: unknown) {
    for (const { reject } of waiting) reject(error);
    waiting = [];
  }

  function tellWaiting(jobs: readonly NewJob[], started: readonly TakenJob[], told: boolean) {
    const ids = new Set(started.map(({ id }) => id));
    const waiting = ids.size === 0 ? jobs : jobs.filter(({ id }) => !ids.has(id));
    const queues = new Set<string>();
    // Neighbours mostly have the same one, which is quicker to see than to look up.
    waiting.forEach(({ queue }, place) => {
      if (queue !== waiting[place - 1]?.queue) queues.add(queue);
    });
    if (queues.size > 0) onWaiting(queues, told);
  }

  return {
    insert(jobs, claim) {
      return new Promise((resolve, reject) => {
        waiting.push({ jobs, claim, resolve, reject });
        flush();
      });
    },
  };
}

function claimsOf(group: readonly Waiting[]): ClaimedJobs[] {
  return group.flatMap(({ jobs, claim }) => (claim ? { ...claim, jobIds: jobs.map((job) => job.id) } : []));
}
