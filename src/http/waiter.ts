import type { Database } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { readEnded } from "../queue/read_ended.ts";

export interface Waiter extends Service {
  /** Resolves when the job has ended, when the time is over, when nobody waits any more, or when the service stops. */
  ended(jobId: string, timeoutMs: number, gone: AbortSignal): Promise<void>;
}

/** One statement for everybody who waits; a result is seen this much later at most. */
const LOOK_EVERY_MS = 25;
/** Nobody waits: the next one wakes the loop. */
const IDLE_MS = 60_000;

/** Lets requests wait for the end of jobs, wherever those run: it asks the database, for all of them together. */
export function waiter(db: Database, emit: Emit): Waiter {
  const waiting = new Map<string, Set<() => void>>();
  let stopped = false;

  const looking = loop("waiter", look, (error) => emit("step.failed", { step: "waiter", error }));

  async function look(): Promise<number> {
    if (waiting.size === 0) return IDLE_MS;
    for (const id of await readEnded(db, [...waiting.keys()])) release(id);
    return LOOK_EVERY_MS;
  }

  function release(id: string) {
    for (const resolve of waiting.get(id) ?? []) resolve();
    waiting.delete(id);
  }

  return {
    name: "waiter",
    async ended(id, timeoutMs, gone) {
      if (stopped || gone.aborted) return;
      const jobId = id.toLowerCase(); // as the database writes it
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiters = waiting.get(jobId) ?? new Set();
      waiting.set(jobId, waiters.add(resolve));
      looking.wake();
      const timer = setTimeout(resolve, timeoutMs);
      gone.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      clearTimeout(timer);
      waiters.delete(resolve);
      if (waiters.size === 0 && waiting.get(jobId) === waiters) waiting.delete(jobId);
    },
    start: () => looking.start(),
    async stop() {
      stopped = true;
      for (const id of [...waiting.keys()]) release(id);
      await looking.stop();
    },
  };
}
