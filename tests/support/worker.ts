import { onTestFinished } from "bun:test";
import { connect, type Database, type DatabaseAddress } from "../../src/db/connect.ts";
import type { JobDefinition } from "../../src/handlers/define.ts";
import { registry } from "../../src/handlers/registry.ts";
import { type WorkerParts, type WorkerService, worker } from "../../src/worker/worker.ts";
import { type Recorder, recorder } from "./events.ts";

export interface TestWorker extends WorkerService, Recorder {
  id: string;
  /** How many statements the main thread has sent. */
  statements(): number;
}

/** Longer than any test waits: whoever sees a job run has seen a wake, not a poll. */
export const NEVER_MS = 600_000;

/** A worker in this process that has started, and that stops with the test. It polls as good as never. */
export async function startWorker(
  db: { address: DatabaseAddress },
  definitions: readonly JobDefinition[],
  changes: Partial<WorkerParts> = {},
): Promise<TestWorker> {
  const created = newWorker(db, definitions, changes);
  await created.start();
  return created;
}

export function newWorker(
  { address }: { address: DatabaseAddress },
  definitions: readonly JobDefinition[],
  changes: Partial<WorkerParts> = {},
): TestWorker {
  const id = crypto.randomUUID();
  const pool = connect({ address, name: `worker ${id}`, connections: 3, prepare: true });
  let statements = 0;
  const db: Database = {
    ...pool,
    run(statement, deadlineMs) {
      statements++;
      return pool.run(statement, deadlineMs);
    },
  };
  const events = recorder();
  const kinds = registry(definitions);
  const queues = changes.queues ?? [{ name: "default", slots: 10 }];
  const service = worker({
    db,
    connection: { address, prepare: true },
    worker: {
      id,
      name: "test worker",
      role: "worker",
      version: "0.0.0",
      queues: queues.map((queue) => queue.name),
      kinds: kinds.kinds,
      slots: queues.reduce((sum, queue) => sum + queue.slots, 0),
    },
    queues,
    registry: kinds,
    emit: events.emit,
    ttlMs: 15_000,
    graceMs: 10_000,
    pollIntervalMs: NEVER_MS,
    defaultTimeoutMs: 60_000,
    handlerThreads: 10,
    handlerFiles: new Map(),
    ...changes,
  });

  onTestFinished(async () => {
    await service.stop();
    await db.close();
  });
  return {
    ...events,
    id,
    statements: () => statements,
    name: service.name,
    ahead: service.ahead,
    wake: service.wake,
    offer: service.offer,
    get notified() {
      return service.notified;
    },
    start: service.start,
    stop: service.stop,
  };
}
