import { type Database, type DatabaseAddress, openSingle } from "./db/connect.ts";
import { within } from "./db/deadline.ts";
import { loop } from "./lifecycle/loop.ts";
import type { Service } from "./lifecycle/service.ts";

export interface WatchdogParts {
  db: Database;
  address: DatabaseAddress;
  /** How long the pool may go without an answer. */
  stuckMs: number;
  /** Called when it got none for that long, while a new connection gets one. */
  onStuck: (silentMs: number) => void;
}

/** Much longer than anything that the pool could mistake for an outage. */
const STUCK_MS = 60_000;
/** Beside the pool's own deadline of five seconds a look is cheap. */
const LOOK_EVERY_MS = 5_000;
const REACH_PATIENCE_MS = 5_000;

/** The pool connects at the first statement by itself; what is left to do is to watch it, and to say goodbye after everybody else. */
export function guardedDatabase(db: Database, address: DatabaseAddress): Service {
  const dog = watchdog({ db, address, stuckMs: STUCK_MS, onStuck: leave });
  return {
    name: "database",
    start: dog.start,
    async stop() {
      await dog.stop();
      await db.close();
    },
  };
}

/** Thrown where nobody catches it, it ends the process, with what it says in the log. */
function leave(silentMs: number) {
  setTimeout(() => {
    const seconds = Math.round(silentMs / 1_000);
    throw new Error(`the pool got no answer for ${seconds} s, and a new connection gets one`);
  });
}

/**
 * Looks whether the pool still answers. It mends itself as far as anybody knows; should it ever not, while the database is
 * there for everybody else, then no process is better than one that looks alive and does nothing.
 */
export function watchdog({ db, address, stuckMs, onStuck }: WatchdogParts): Service {
  let answeredMs = performance.now();

  async function look(): Promise<number> {
    if (!(await poolAnswers()) && silentMs() > stuckMs && (await isStuck())) onStuck(silentMs());
    return Math.min(LOOK_EVERY_MS, stuckMs);
  }

  const silentMs = () => performance.now() - answeredMs;

  /** An outage is no reason to leave, nor one that ended a moment ago: the next process would find the same. */
  async function isStuck(): Promise<boolean> {
    return (await isReachable(address)) && !(await poolAnswers()) && (await isReachable(address));
  }

  async function poolAnswers(): Promise<boolean> {
    try {
      await db.run((sql) => sql`select 1`);
      answeredMs = performance.now();
      return true;
    } catch {
      return false;
    }
  }

  return loop("watchdog", look, () => undefined);
}

async function isReachable(address: DatabaseAddress): Promise<boolean> {
  const sql = openSingle(address, "jobsvc watchdog");
  try {
    await within(REACH_PATIENCE_MS, sql`select 1`, () => undefined);
    return true;
  } catch {
    return false;
  } finally {
    void sql.end({ timeout: 0 }).catch(() => undefined);
  }
}
