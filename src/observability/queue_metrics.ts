import { Gauge, type Registry } from "prom-client";
import { OTHER } from "./lane_labels.ts";

/** What the database tells of a queue. */
export interface QueueState {
  name: string;
  pausedAt: Date | null;
  available: number;
  scheduled: number;
  running: number;
  oldestWaitMs: number | null;
  workers: number;
}

/** Several who scrape at once, or in quick succession, share one look at the database. */
const FRESH_MS = 2_000;
/** A scraper has its own patience, and wants to hear of the rest even if the database is away. */
const PATIENCE_MS = 2_000;
/** Names of queues are the users' to choose; those with the most jobs are told by name. */
const MAX_QUEUES = 200;

/** What waits and runs in the whole service, as the database says when it is asked. Answers what asks it. */
export function queueMetrics(
  registry: Registry,
  read: () => Promise<readonly QueueState[]>,
): () => Promise<void> {
  const registers = [registry];
  const up = new Gauge({
    name: "jobsvc_database_up",
    help: "1 when the database answered this scrape, else 0.",
    registers,
  });
  const ofQueue = (name: string, help: string) => new Gauge({ name, help, labelNames: ["queue"], registers });
  const jobs = new Gauge({
    name: "jobsvc_queue_jobs",
    help: "Jobs that are due (available), wait for a later time (scheduled), or run (running).",
    labelNames: ["queue", "state"],
    registers,
  });
  const oldest = ofQueue(
    "jobsvc_queue_oldest_ready_seconds",
    "How long the oldest due job has waited; 0 when none is.",
  );
  const paused = ofQueue("jobsvc_queue_paused", "1 while the queue is paused, else 0.");
  const workers = ofQueue("jobsvc_queue_workers", "Living workers that take jobs of the queue.");

  let looking: Promise<void> | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;

  async function look() {
    try {
      const queues = await withinPatience(read());
      clear();
      up.set(1);
      for (const queue of bounded(queues)) tell(queue);
    } catch {
      // A number of before would look like one of now.
      clear();
      up.set(0);
    }
    lookedMs = performance.now();
  }

  function clear() {
    for (const gauge of [jobs, oldest, paused, workers]) gauge.reset();
  }

  function tell({
    name: queue,
    pausedAt,
    available,
    scheduled,
    running,
    oldestWaitMs,
    workers: count,
  }: QueueState) {
    for (const [state, value] of Object.entries({ available, scheduled, running }))
      jobs.set({ queue, state }, value);
    oldest.set({ queue }, (oldestWaitMs ?? 0) / 1_000);
    paused.set({ queue }, pausedAt === null ? 0 : 1);
    workers.set({ queue }, count);
  }

  return async () => {
    if (performance.now() - lookedMs < FRESH_MS) return;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    await looking;
  };
}

/** The queues with the most jobs, and what all others come to. */
function bounded(queues: readonly QueueState[]): QueueState[] {
  if (queues.length <= MAX_QUEUES) return [...queues];
  const bySize = queues.toSorted((a, b) => sizeOf(b) - sizeOf(a));
  const none: QueueState = {
    name: OTHER,
    pausedAt: null,
    available: 0,
    scheduled: 0,
    running: 0,
    oldestWaitMs: null,
    workers: 0,
  };
  return [...bySize.slice(0, MAX_QUEUES), bySize.slice(MAX_QUEUES).reduce(together, none)];
}

function sizeOf({ available, scheduled, running }: QueueState): number {
  return available + scheduled + running;
}

function together(all: QueueState, one: QueueState): QueueState {
  return {
    ...all,
    pausedAt: all.pausedAt ?? one.pausedAt,
    available: all.available + one.available,
    scheduled: all.scheduled + one.scheduled,
    running: all.running + one.running,
    oldestWaitMs: Math.max(all.oldestWaitMs ?? 0, one.oldestWaitMs ?? 0),
    workers: Math.max(all.workers, one.workers),
  };
}

async function withinPatience<T>(answer: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("the database took too long")), PATIENCE_MS);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
