import type { ConnectOptions, Database } from "../db/connect.ts";
import type { Registry } from "../handlers/registry.ts";
import { type Service, startAll, stopAll, together } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import type { WorkerIdentity } from "../queue/beat.ts";
import type { Offer } from "../queue/inserter.ts";
import type { Source } from "../queue/lanes.ts";
import { marks } from "../queue/marks.ts";
import { endings } from "./endings.ts";
import { heartbeat } from "./heartbeat.ts";
import { holdings } from "./holdings.ts";
import { poll } from "./poll.ts";
import { type Pool, type PoolSource, pool } from "./pool.ts";
import { reports } from "./reports.ts";
import { takes } from "./takes.ts";
import { threads } from "./threads.ts";
import { wakeups } from "./wakeups.ts";

export interface QueueSlots {
  name: string;
  slots: number;
}

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
  const { db, worker, registry, emit, queues, pollIntervalMs } = parts;
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
  const take = takes({ db, workerId, holdings: held, failLost: registry.failLost });
  const sources = queues.flatMap(sourcesOf);
  const lowWater = marks(db, sources);
  const pools = new Map(sources.map((source) => [source, poolAt(source)]));
  const ofQueue = Map.groupBy(sources, ({ queue }) => queue);
  const polling = poll({ marks: lowWater, sources, emit, pollIntervalMs, onDue: wakeAt });
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
  const services = [presence, buffer, told, running, polling, together("pools", [...pools.values()]), hints];

  /** Jobs in threads have a pool of their own: neither they nor the others wait because the others are many. */
  function sourcesOf({ name: queue, slots }: QueueSlots): PoolSource[] {
    const inThreads = registry.kinds.filter((kind) => registry.find(kind)?.thread);
    const others = registry.kinds.filter((kind) => !inThreads.includes(kind));
    const sources = [{ queue, slots, kinds: others, inThreads: false }];
    if (inThreads.length === 0) return sources;
    const places = Math.min(slots, parts.handlerThreads);
    return [...sources, { queue, slots: places, kinds: inThreads, inThreads: true }];
  }

  function poolAt(source: PoolSource): Pool {
    const shared = { ...parts, workerId, holdings: held, endings: buffer, reports: told, threads: running };
    return pool({ ...shared, source, take, marks: () => lowWater.of(source) });
  }

  function wakeAt(source: Source) {
    pools.get(source as PoolSource)?.wake();
  }

  function wake(queue: string, sinceMs?: number) {
    if (sinceMs !== undefined) lowWater.lookBack(queue, sinceMs);
    ofQueue.get(queue)?.forEach(wakeAt);
  }

  function wakeAll() {
    sources.forEach(wakeAt);
  }

  return {
    name: "worker",
    ahead,
    wake,
    offer: (queue, jobs) => {
      const [first] = ofQueue.get(queue) ?? [];
      return first && pools.get(first)?.offer(jobs);
    },
    get notified() {
      return hints.arriving;
    },
    async start() {
      await startAll(services);
      const fields = {
        worker_id: workerId,
        queues: [...ofQueue.keys()].join(", "),
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
