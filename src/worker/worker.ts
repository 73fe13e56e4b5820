import type { ConnectOptions, Database } from "../db/connect.ts";
import type { Registry } from "../handlers/registry.ts";
import { type Service, startAll, stopAll, together } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import type { WorkerIdentity } from "../queue/beat.ts";
import type { Offer } from "../queue/inserter.ts";
import { endings } from "./endings.ts";
import { heartbeat } from "./heartbeat.ts";
import { holdings } from "./holdings.ts";
import { type Pool, pool, type QueueSlots } from "./pool.ts";
import { reports } from "./reports.ts";
import { threads } from "./threads.ts";
import { wakeups } from "./wakeups.ts";

export interface WorkerParts {
  db: Database;
  connection: Pick<ConnectOptions, "address" | "prepare">;
  worker: WorkerIdentity;
  queues: readonly QueueSlots[];
  registry: Registry;
  emit: Emit;
  ttlMs: number;
  graceMs: number;
  pollIntervalMs: number;
  defaultTimeoutMs: number;
  /** How many jobs run at once in threads, and the file of each kind that does. */
  handlerThreads: number;
  handlerFiles: ReadonlyMap<string, string>;
  /** Running jobs have told something that can be read now. */
  onReported?: () => void;
}

export interface WorkerService extends Service {
  /** What may start before all else, while others start that keep this thread busy. It stops with the worker. */
  readonly ahead: Service;
  wake(queue: string): void;
  /** Slots for jobs of this queue that are being inserted by this very process (see `queue/direct_start.ts`). */
  offer(queue: string, jobs: number): Offer | undefined;
  /** Whether notifications from other processes arrive. */
  readonly notified: boolean;
}

/**
 * Everything that runs jobs in this process, in the order in which it starts; it stops in reverse:
 * take nothing new and wait for running jobs, write their endings, say goodbye and give back the rest.
 */
export function worker(parts: WorkerParts): WorkerService {
  const { db, worker, registry, emit, queues } = parts;
  const held = holdings();
  const workerId = worker.id;

  const presence = heartbeat({
    db,
    ...parts.connection,
    worker,
    ttlMs: parts.ttlMs,
    holdings: held,
    emit,
  });
  const buffer = endings({ db, workerId, emit, onRoom: wakeAll });
  const told = reports({ db, workerId, emit, onWritten: parts.onReported });
  const running = threads({ workerId, files: parts.handlerFiles, limit: parts.handlerThreads, emit });
  const pools = new Map(queues.map((queue) => [queue.name, poolsOf(queue)]));
  const hints = wakeups({
    db,
    workerId,
    emit,
    onWork: wake,
    onEnded: (attempt) => held.interrupt(attempt, attempt.outcome),
    onGap: wakeAll,
  });
  // Both wait for a connection of their own.
  const ahead = together("presence and wake-ups", [presence, hints]);
  const services = [presence, buffer, told, running, together("pools", [...pools.values()].flat()), hints];

  /** Jobs in threads have a pool of their own: neither they nor the others wait because the others are many. */
  function poolsOf(queue: QueueSlots): Pool[] {
    const shared = { ...parts, workerId, holdings: held, endings: buffer, reports: told, threads: running };
    const inThreads = registry.kinds.filter((kind) => registry.find(kind)?.thread);
    const others = registry.kinds.filter((kind) => !inThreads.includes(kind));
    const pools = [pool({ ...shared, queue, kinds: others, inThreads: false })];
    if (inThreads.length === 0) return pools;
    const slots = Math.min(queue.slots, parts.handlerThreads);
    return [...pools, pool({ ...shared, queue: { ...queue, slots }, kinds: inThreads, inThreads: true })];
  }

  function wake(queue: string, sinceMs?: number) {
    for (const pool of pools.get(queue) ?? []) pool.wake(sinceMs);
  }

  function wakeAll() {
    for (const queue of pools.keys()) wake(queue);
  }

  return {
    name: "worker",
    ahead,
    wake,
    offer: (queue, jobs) => pools.get(queue)?.[0]?.offer(jobs),
    get notified() {
      return hints.arriving;
    },
    async start() {
      await startAll(services);
      const fields = {
        worker_id: workerId,
        queues: [...pools.keys()].join(", "),
        kinds: registry.kinds.join(", "),
      };
      emit("worker.started", fields);
    },
    async stop() {
      presence.drain();
      emit("worker.draining", { worker_id: workerId, running: held.size });
      await stopAll(services);
    },
  };
}
