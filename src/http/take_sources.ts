import type { Database } from "../db/connect.ts";
import type { Emit } from "../observability/events.ts";
import { marks } from "../queue/marks.ts";
import { type SinglyTakenJob, takeSingly } from "../queue/take_singly.ts";

/** What somebody takes over HTTP. */
export interface Wish {
  /** Where to look first, second, … */
  queues: readonly string[];
  kinds: readonly string[];
}

export interface TakeSourcesParts {
  db: Database;
  emit: Emit;
  /** Time limit of a job that brings none. */
  defaultLimitMs: number;
  /** How often to look for work that nothing announced. */
  pollIntervalMs: number;
  /** Kinds whose jobs end as failed when they are lost. */
  failLost: readonly string[];
}

export interface TakeSources {
  has(queue: string): boolean;
  /** Work that is due since then has been committed only now. */
  lookBack(queue: string, sinceMs: number): void;
  /** Takes for a worker up to `limit` jobs, from one queue after the other. */
  take(workerId: string, limit: number): Promise<SinglyTakenJob[]>;
}

/** The queues from which those take who wish the same, with what was learnt of each at the last look. */
export function takeSources(parts: TakeSourcesParts, { queues, kinds }: Wish): TakeSources {
  const { db, emit, pollIntervalMs, failLost, defaultLimitMs } = parts;
  const sources = queues.map((queue) => ({ queue, kinds, blockSize: 1 }));
  const lowWater = marks(db, sources);

  async function takeFrom(source: (typeof sources)[number], workerId: string, limit: number) {
    const ask = {
      queue: source.queue,
      kinds,
      marks: lowWater.of(source)!,
      limit,
      // One more than the last size tells, for one that was cut before.
      blocks: Math.min(limit, Math.ceil(limit / source.blockSize) + 1),
    };
    const { jobs, blockSize } = await takeSingly(db, { workerId, ask, failLost, defaultLimitMs });
    source.blockSize = blockSize;
    return jobs;
  }

  return {
    has: (queue) => queues.includes(queue),
    lookBack: (queue, sinceMs) => lowWater.lookBack(queue, sinceMs),
    async take(workerId, limit) {
      if (lowWater.ageMs >= pollIntervalMs) await lowWater.read();
      const taken: SinglyTakenJob[] = [];
      try {
        for (const source of sources) {
          const left = limit - taken.length;
          if (left === 0) break;
          taken.push(...(await takeFrom(source, workerId, left)));
        }
      } catch (error) {
        // What was taken before must not be forgotten.
        if (taken.length === 0) throw error;
        emit("step.failed", { step: "take over HTTP", error });
      }
      return taken;
    },
  };
}
