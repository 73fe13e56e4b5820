import type { Database } from "../db/connect.ts";
import { ENDED_CHANNEL, type EndedAttempt, WORK_CHANNEL } from "./channels.ts";

/**
 * A commit with a notification holds a lock over the whole database until it is on disk. So inserts carry none. The
 * first of them is told at once, and what follows within this time is told in one.
 */
const COALESCE_MS = 10;

/** Tells the workers of other processes that queues have work, now. */
export async function announceNow(db: Database, queues: readonly string[]): Promise<void> {
  await db.run(
    (sql) => sql`select pg_notify(${WORK_CHANNEL}, queue) from unnest(${[...queues]}::text[]) queue`,
  );
}

/**
 * Tells the workers of other processes that queues have work. Only a hint: a lost one costs its queue a poll
 * interval, so `report` hears of a failure and nothing else happens.
 */
export function announcer(
  db: Database,
  report: (error: unknown) => void,
): (queues: Iterable<string>) => void {
  const pending = new Set<string>();
  let resting = false;

  function send() {
    resting = pending.size > 0;
    if (!resting) return;
    const queues = [...pending];
    pending.clear();
    announceNow(db, queues).catch(report);
    setTimeout(send, COALESCE_MS);
  }

  return (queues) => {
    for (const queue of queues) pending.add(queue);
    if (!resting) send();
  };
}

/** Tells the process that holds an attempt that somebody else has ended it. A hint: its next beat says so, too. */
export async function announceEnded(db: Database, { jobId, attempt, outcome }: EndedAttempt): Promise<void> {
  await db.run((sql) => sql`select pg_notify(${ENDED_CHANNEL}, ${`${jobId} ${attempt} ${outcome}`})`);
}
