import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import { giveBack } from "../queue/give_back.ts";
import { type PullPresence, registerPullWorker } from "../queue/pull_worker.ts";
import type { SinglyTakenJob } from "../queue/take_singly.ts";
import { invalid } from "./field_errors.ts";
import { type TakeSourcesParts, takeSources, type Wish } from "./take_sources.ts";

/** A request that waits for jobs. */
export interface Taker {
  worker: { id: string; name: string; ttlMs: number };
  limit: number;
  /** By `performance.now()`; it is looked once in any case. */
  untilMs: number;
  /** Aborted when the client is not there any more. */
  gone: AbortSignal;
  resolve(jobs: SinglyTakenJob[]): void;
  reject(error: unknown): void;
}

export interface TakerGroup extends Service {
  /** How many wait. */
  readonly size: number;
  add(taker: Taker): void;
  /** There is work in this queue; some of it may have been committed late, and be due since then. */
  wake(queue: string, sinceMs?: number): void;
  wakeAll(): void;
}

const NAME = "take over HTTP";
/** Nobody waits: the next one wakes the loop. */
const IDLE_MS = 60_000;
/** Others take as well, so what was passed by may only have been locked: worth a look before the next poll. */
const CROWDED_MS = 25;
/** Of the time to live: one that waits is registered again after that. */
const REGISTERED_FOR = 1 / 3;

/**
 * Those who wait in this process for the same jobs, served one after the other in the order in which they came: when one
 * goes away empty-handed, so would all others. So it costs nothing that many wait, and they never stand in each other's
 * way at the same block.
 */
export function takerGroup(parts: TakeSourcesParts, wish: Wish): TakerGroup {
  const { db, emit, pollIntervalMs } = parts;
  const sources = takeSources(parts, wish);
  const waiting = new Set<Taker>();
  const registered = new WeakMap<Taker, PullPresence & { atMs: number }>();

  const serving = loop(NAME, step, (error) => emit("step.failed", { step: NAME, error }));

  async function step(): Promise<number> {
    try {
      // Who comes meanwhile has woken the loop, and is looked for in the next round.
      const present = [...waiting];
      const served = await serve(present);
      const nowMs = performance.now();
      for (const taker of present) if (taker.untilMs <= nowMs || taker.gone.aborted) settle(taker, []);
      if (waiting.size === 0) return IDLE_MS;
      const dueMs = [...waiting].map((taker) => Math.min(taker.untilMs, registeredUntilMs(taker)) - nowMs);
      return Math.min(served ? CROWDED_MS : pollIntervalMs, ...dueMs);
    } catch (error) {
      // They come again, and find the database or hear once more that it is away.
      for (const taker of waiting) taker.reject(error);
      waiting.clear();
      throw error;
    }
  }

  function settle(taker: Taker, jobs: SinglyTakenJob[]) {
    waiting.delete(taker);
    taker.resolve(jobs);
  }

  /** Everybody here came before it begins, so that nobody is answered by a look from before their own job was there. */
  async function serve(present: readonly Taker[]): Promise<boolean> {
    await Promise.all(present.filter(isDue).map(register));
    let served = false;
    for (const taker of present) {
      if (!waiting.has(taker) || taker.gone.aborted) continue;
      const jobs = await sources.take(taker.worker.id, taker.limit);
      if (jobs.length > 0 && taker.gone.aborted) await giveBack(db, taker.worker.id, jobs);
      else if (jobs.length > 0) settle(taker, jobs);
      served ||= jobs.length > 0;
      // One who has a suspect passes by others, which the next may take.
      if (jobs.length < taker.limit && !registered.get(taker)?.holdsSuspect) break;
    }
    return served;
  }

  function isDue(taker: Taker): boolean {
    return registeredUntilMs(taker) <= performance.now();
  }

  function registeredUntilMs(taker: Taker): number {
    const atMs = registered.get(taker)?.atMs ?? Number.NEGATIVE_INFINITY;
    return atMs + taker.worker.ttlMs * REGISTERED_FOR;
  }

  async function register(taker: Taker) {
    const presence = await registerPullWorker(db, { ...taker.worker, ...wish, wanted: taker.limit });
    if (presence) return void registered.set(taker, { ...presence, atMs: performance.now() });
    waiting.delete(taker);
    taker.reject(invalid([{ pointer: "/worker/id", detail: "is the id of another kind of worker" }]));
  }

  return {
    name: NAME,
    get size() {
      return waiting.size;
    },
    add(taker) {
      waiting.add(taker);
      serving.wake();
    },
    wake(queue, sinceMs) {
      if (sinceMs !== undefined) sources.lookBack(queue, sinceMs);
      if (waiting.size > 0 && sources.has(queue)) serving.wake();
    },
    wakeAll: () => serving.wake(),
    start: () => serving.start(),
    async stop() {
      await serving.stop();
      for (const taker of waiting) settle(taker, []);
    },
  };
}
