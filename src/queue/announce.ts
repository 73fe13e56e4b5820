import type { Database } from "../db/connect.ts";
import { ENDED_CHANNEL, type EndedAttempt, notifyWork } from "./channels.ts";

/**
 * A commit with a notification holds a lock over the whole database until it is on disk, so that inserts under load must
 * not carry one each. The first of them tells of its work itself, or is told of at once; what follows within this
 * time is told in one.
 */
const COALESCE_MS = 10;

export interface Announcer {
  /** Tells the workers of other processes that queues have work, at once or together with what else is to be told. */
  tell(queues: Iterable<string>): void;
  /**
   * Whether a statement that is about to bring work may tell of it itself, which saves the workers a trip: nothing was
   * told lately. What is to be told after it waits as if this one had been told here.
   */
  leave(): boolean;
}

/** Tells the workers of other processes that queues have work, now. */
export async function announceNow(db: Database, queues: readonly string[]): Promise<void> {
  await db.run((sql) => notifyWork(sql, sql`select unnest(${[...queues]}::text[]) as queue`));
}

/**
 * Tells the workers of other processes that queues have work. Only a hint: a lost one costs its queue a poll
 * interval, so `report` hears of a failure and nothing else happens.
 */
export function announcer(db: Database, report: (error: unknown) => void): Announcer {
  const pending = new Set<string>();
  let resting = false;

  function rest() {
    resting = true;
    setTimeout(send, COALESCE_MS);
  }

  function send() {
    resting = false;
    if (pending.size === 0) return;
    const queues = [...pending];
    pending.clear();
    announceNow(db, queues).catch(report);
    rest();
  }

  return {
    tell(queues) {
      for (const queue of queues) pending.add(queue);
      if (!resting) send();
    },
    leave() {
      if (resting) return false;
      rest();
      return true;
    },
  };
}

/** Tells the process that holds an attempt that somebody else has ended it. A hint: its next beat says so, too. */
export async function announceEnded(db: Database, { jobId, attempt, outcome }: EndedAttempt): Promise<void> {
  await db.run((sql) => sql`select pg_notify(${ENDED_CHANNEL}, ${`${jobId} ${attempt} ${outcome}`})`);
}
