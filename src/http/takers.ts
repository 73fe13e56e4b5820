import type { Service } from "../lifecycle/service.ts";
import { announcedWork, WORK_CHANNEL } from "../queue/channels.ts";
import type { SinglyTakenJob } from "../queue/take_singly.ts";
import { Problem } from "./problem.ts";
import type { TakeSourcesParts, Wish } from "./take_sources.ts";
import { type Taker, type TakerGroup, takerGroup } from "./taker_group.ts";

export type TakeRequest = Pick<Taker, "worker" | "limit" | "gone"> & Wish & { waitMs: number };

export interface Takers extends Service {
  /**
   * Takes jobs for a worker over HTTP, and waits for them when there are none: until the time is over, the client is gone
   * or the service stops. Then the answer is empty. Throws when this process serves as many as it can.
   */
  take(request: TakeRequest): Promise<SinglyTakenJob[]>;
  /** There is work in this queue. A hint only: each group looks by itself at the poll interval. */
  wake(queue: string, sinceMs?: number): void;
}

/** Of one process: each that waits holds a connection. */
export const MAX_TAKERS = 1_000;
/** After which one that found no room may try again. */
const RETRY_AFTER_S = 2;
/** Groups in which nobody waits are kept for what they know of their queues, up to here. */
const MAX_GROUPS = 100;

/** Hands out jobs to workers over HTTP. */
export function takers(parts: TakeSourcesParts): Takers {
  const groups = new Map<string, TakerGroup>();
  let size = 0;
  let stopped = false;

  function groupOf({ queues, kinds }: Wish): TakerGroup {
    const key = JSON.stringify([queues, kinds.toSorted()]);
    const known = groups.get(key);
    if (known) return known;
    if (groups.size >= MAX_GROUPS) sweep();
    const group = takerGroup(parts, { queues, kinds });
    groups.set(key, group);
    void group.start();
    return group;
  }

  function sweep() {
    for (const [key, group] of groups) {
      if (group.size > 0) continue;
      groups.delete(key);
      void group.stop();
    }
  }

  function wake(queue: string, sinceMs?: number) {
    for (const group of groups.values()) group.wake(queue, sinceMs);
  }

  return {
    name: "takers",
    wake,
    async take({ worker, limit, gone, waitMs, ...wish }) {
      if (stopped) throw unavailable("this process takes no more jobs: it stops");
      if (size >= MAX_TAKERS) throw unavailable("no more workers can wait here");
      const { promise, resolve, reject } = Promise.withResolvers<SinglyTakenJob[]>();
      size++;
      groupOf(wish).add({ worker, limit, gone, untilMs: performance.now() + waitMs, resolve, reject });
      return await promise.finally(() => {
        size--;
      });
    },
    async start() {
      await parts.db.listen(
        WORK_CHANNEL,
        (payload) => {
          const { queues, sinceMs } = announcedWork(payload);
          for (const queue of queues) wake(queue, sinceMs);
        },
        () => {
          for (const group of groups.values()) group.wakeAll();
        },
      );
    },
    async stop() {
      stopped = true;
      await Promise.all([...groups.values()].map((group) => group.stop()));
    },
  };
}

function unavailable(detail: string): Problem {
  return new Problem("unavailable", detail, { headers: { "retry-after": String(RETRY_AFTER_S) } });
}
