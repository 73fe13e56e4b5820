import type { ConnectOptions, Database } from "../db/connect.ts";
import type { Registry } from "../handlers/registry.ts";
import { type Service, startAll, stopAll } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import type { WorkerIdentity } from "../queue/beat.ts";
import { endings } from "./endings.ts";
import { heartbeat } from "./heartbeat.ts";
import { holdings } from "./holdings.ts";
import { type Pool, pool, type QueueSlots } from "./pool.ts";
import { reports } from "./reports.ts";
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
  /** Running jobs have told something that can be read now. */
  onReported?: () => void;
}

export interface WorkerService extends Service {
  wake(queue: string): void;
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
  const buffer = endings({ db, workerId, emit });
  const told = reports({ db, workerId, emit, onWritten: parts.onReported });
  const pools = new Map(
    queues.map((queue) => [
      queue.name,
      pool({ ...parts, workerId, queue, holdings: held, endings: buffer, reports: told }),
    ]),
  );
  const hints = wakeups({
    db,
    workerId,
    emit,
    onWork: (queue, sinceMs) => pools.get(queue)?.wake(sinceMs),
    onEnded: (attempt) => held.interrupt(attempt, attempt.outcome),
    onGap: () => wakeAll(pools.values()),
  });
  const services = [presence, buffer, told, together("pools", [...pools.values()]), hints];

  return {
    name: "worker",
    wake: (queue) => pools.get(queue)?.wake(),
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

function wakeAll(pools: Iterable<Pool>) {
  for (const pool of pools) pool.wake();
}

/** Services that need not wait for each other. */
function together(name: string, services: readonly Service[]): Service {
  return {
    name,
    start: async () => void (await Promise.all(services.map((service) => service.start()))),
    stop: async () => void (await Promise.all(services.map((service) => service.stop()))),
  };
}
