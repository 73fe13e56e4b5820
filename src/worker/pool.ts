import type { Database } from "../db/connect.ts";
import type { Registry } from "../handlers/registry.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { type Loop, loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { type Lane, readLanes } from "../queue/lanes.ts";
import { takeJobs } from "../queue/take.ts";
import type { Endings } from "./endings.ts";
import type { Holdings } from "./holdings.ts";
import { runJob } from "./run.ts";

export interface QueueSlots {
  name: string;
  slots: number;
}

export interface PoolParts {
  db: Database;
  workerId: string;
  queue: QueueSlots;
  registry: Registry;
  holdings: Holdings;
  endings: Endings;
  emit: Emit;
  pollIntervalMs: number;
  defaultTimeoutMs: number;
  /** How long `stop` waits for running jobs. */
  graceMs: number;
}

export interface Pool extends Service {
  /** There is work in the queue: look now, not at the next poll. */
  wake(): void;
}

/** Polls of many workers must not fall into one beat. */
const POLL_JITTER = 0.2;

/**
 * The slots of one queue. Takes as many jobs as there are free slots, at a wake or at the poll interval, and
 * runs each. Stopping takes nothing new, waits for running jobs up to the grace and then breaks them off;
 * what was broken off is released by the worker's goodbye (see `heartbeat.ts`).
 */
export function pool(parts: PoolParts): Pool {
  const { db, workerId, queue, registry, holdings, endings, emit, pollIntervalMs } = parts;
  const running = new Set<Promise<void>>();
  let lanes: Lane[] = [];
  let lanesReadMs = Number.NEGATIVE_INFINITY;
  let blocksToLock = queue.slots;
  /** The last take filled every slot, so more is probably waiting. */
  let hungry = false;

  const taking: Loop = loop(`take ${queue.name}`, step, (error) => {
    emit("step.failed", { step: `take ${queue.name}`, error });
  });

  async function step(): Promise<number> {
    const free = queue.slots - running.size;
    hungry = true;
    if (free === 0 || endings.full) return pollIntervalMs;
    await refreshLanes();
    const suspects = holdings.suspects === 0;
    const { jobs, blockSize } = await takeJobs(db, {
      workerId,
      queue: queue.name,
      lanes,
      limit: free,
      blocks: blocksToLock,
      suspects,
    });
    for (const job of jobs) start(job);
    blocksToLock = Math.ceil(queue.slots / blockSize) + 1;
    hungry = jobs.length > 0;
    return hungry ? 0 : pollIntervalMs * (1 + POLL_JITTER * (Math.random() - 0.5));
  }

  /** Marks are refreshed at the poll interval: that take sees everything, also what was committed late. */
  async function refreshLanes() {
    if (performance.now() - lanesReadMs < pollIntervalMs * (1 - POLL_JITTER)) return;
    lanes = await readLanes(db, queue.name, registry.kinds);
    lanesReadMs = performance.now();
  }

  function start(job: TakenJob) {
    endings.expect(job);
    const run = runInSlot(job).finally(() => {
      running.delete(run);
      if (hungry) taking.wake();
    });
    running.add(run);
  }

  async function runInSlot(job: TakenJob) {
    const controller = holdings.hold(job);
    const fields = {
      job_id: job.id,
      kind: job.kind,
      queue: job.queue,
      attempt: job.attempt,
      worker_id: workerId,
    };
    emit("job.started", fields);
    const ending = await runJob({
      job,
      registry,
      controller,
      defaultTimeoutMs: parts.defaultTimeoutMs,
      random: Math.random,
    });
    holdings.settle(job);
    if (ending) emitEnding(fields, ending);
    // A released job is not handed in: its lease must stay until the worker's goodbye gives it back.
    if (ending || controller.signal.reason !== "released") endings.handIn(job, ending);
  }

  function emitEnding(fields: Parameters<typeof emit<"job.started">>[1], ending: Ending) {
    const { outcome, ranMs, retryAfterMs, error } = ending;
    const told = {
      ...fields,
      outcome,
      ms: Math.round(ranMs),
      ...(error && { error: `${error.name}: ${error.message}` }),
    };
    if (retryAfterMs === null) emit("job.ended", told);
    else emit("job.retrying", { ...told, retry_in_ms: Math.round(retryAfterMs) });
  }

  return {
    name: `pool ${queue.name}`,
    wake: () => taking.wake(),
    start: () => taking.start(),
    async stop() {
      await taking.stop();
      const idle = Promise.all(running).then(() => true);
      const timeUp = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => timeUp.resolve(false), parts.graceMs);
      if (!(await Promise.race([idle, timeUp.promise]))) holdings.interruptAll("released");
      clearTimeout(timer);
      await idle;
    },
  };
}
