import type { Database } from "./connect.ts";
import { DeadlineError, isTaken } from "./deadline.ts";

/** Who wants to know how statements fare. */
export interface StatementObserver {
  begun(): void;
  done(fate: "ok" | "failed" | "no_answer", ms: number): void;
}

/** The same database, with somebody who looks on. */
export function observed(db: Database, observer: StatementObserver): Database {
  return {
    ...db,
    async run(statement, deadlineMs) {
      const begunMs = performance.now();
      observer.begun();
      try {
        const rows = await db.run(statement, deadlineMs);
        observer.done("ok", performance.now() - begunMs);
        return rows;
      } catch (error) {
        observer.done(fateOf(error), performance.now() - begunMs);
        throw error;
      }
    },
  };
}

/** That a key is taken is an answer: somebody else was first, and whoever asked knows what to do (`new_keys.ts`). */
function fateOf(error: unknown) {
  if (isTaken(error)) return "ok";
  return error instanceof DeadlineError ? "no_answer" : "failed";
}
