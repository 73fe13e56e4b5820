import type { Database } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { type Loop, loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Offer } from "../queue/inserter.ts";
import { marks } from "../queue/marks.ts";
import { takeJobs } from "../queue/take.ts";
import { wantedAhead } from "./ahead.ts";
import type { Endings } from "./endings.ts";
import type { Holdings } from "./holdings.ts";
import { releasedEnding } from "./run.ts";
import { slices } from "./slices.ts";
import { type Held, runInSlot, type SlotParts } from "./slot.ts";

export interface QueueSlots {
  name: string;
  slots: number;
}

export interface PoolParts extends SlotParts {
  db: Database;
  queue: QueueSlots;
  /** The kinds whose jobs it takes. */
  kinds: readonly string[];
  /** Whether these run in threads: then it takes no more of them than there are places for. */
  inThreads: boolean;
  holdings: Holdings;
  endings: Endings;
  pollIntervalMs: number;
  /** How long `stop` waits for running jobs. */
  graceMs: number;
}

export interface Pool extends Service {
  /** There is work in the queue: look now, not at the next poll. What was committed late may be due since `sinceMs`. */
  wake(sinceMs?: number): void;
  /** Slots for jobs that are being inserted here: undefined when there is none, or when the last take found work. */
  offer(jobs: number): Offer | undefined;
}

/** Polls of many workers must not fall into one beat. */
const POLL_JITTER = 0.2;

/** Weight of the latest job in the running averages. */
const LATEST_WEIGHT = 0.05;

/**
 * The slots of one queue. Takes as many jobs as there are free slots, at a wake or at the poll interval, and
 * runs each. Stopping takes nothing new, releases what was taken ahead, waits for running jobs up to the grace,
 * and then breaks them off and releases them too: they can run elsewhere at once.
 */
export function pool(parts: PoolParts): Pool {
  const { db, workerId, queue, kinds, inThreads, registry, threads, holdings, endings, pollIntervalMs } =
    parts;
  const name = inThreads ? `${queue.name} in threads` : queue.name;
  const running = new Set<Promise<void>>();
  const ahead: Held[] = [];
  let averageRunMs = Number.POSITIVE_INFINITY;
  let averageBytes = Number.POSITIVE_INFINITY;
  // Read again at every poll.
  const maxAgeMs = pollIntervalMs * (1 - POLL_JITTER);
  const lowWater = marks({ db, queue: queue.name, kinds, maxAgeMs });
  let stopping = false;
  let lastBlockSize = 1;
  /** The last take found work, so more is probably waiting; or nothing was taken yet. */
  let hungry = true;
  /** Slots that are kept for jobs which are being inserted, and who waits until there are none of these. */
  let offered = 0;
  let onNoneOffered = () => {};
  const inSlice = slices(fillSlots);

  const taking: Loop = loop(`take ${name}`, step, (error) => {
    parts.emit("step.failed", { step: `take ${name}`, error });
  });

  async function step(): Promise<number> {
    hungry = true;
    const wanted = endings.full ? 0 : room();
    const limit = inThreads ? threads.places.take(wanted, taking.wake) : wanted;
    if (limit <= 0) return pollIntervalMs;
    let taken = 0;
    try {
      taken = await take(limit);
    } finally {
      if (inThreads) threads.places.giveBack(limit - taken);
    }
    fillSlots();
    hungry = taken > 0;
    return hungry ? 0 : pollIntervalMs * (1 + POLL_JITTER * (Math.random() - 0.5));
  }

  /** Answers how many jobs it took, at most `limit`. */
  async function take(limit: number): Promise<number> {
    const lanes = await lowWater.lanes();
    const { jobs, blockSize } = await holdings.askForSuspect(async (suspects) => {
      // One block more than the last size tells, for one that was cut before.
      const blocks = Math.min(limit, Math.ceil(limit / lastBlockSize) + 1);
      const { failLost } = registry;
      const options = { workerId, queue: queue.name, lanes, limit, blocks, suspects, failLost };
      const taken = await takeJobs(db, options);
      taken.jobs.forEach(hold);
      return taken;
    });
    lastBlockSize = blockSize;
    return jobs.length;
  }

  function hold(job: TakenJob) {
    endings.expect(job);
    averageBytes = averaged(averageBytes, job.payload.length);
    ahead.push({ job, breaker: holdings.hold(job) });
  }

  function offer(jobs: number): Offer | undefined {
    const slots = Math.min(jobs, queue.slots - running.size - ahead.length - offered);
    if (stopping || hungry || inThreads || endings.full || slots <= 0) return undefined;
    offered += slots;
    return { workerId, queue: queue.name, slots, kinds, failLost: registry.failLost, start };

    function start(started: readonly TakenJob[]) {
      offered -= slots;
      started.forEach(hold);
      fillSlots();
      // A take that found no room meanwhile.
      if (hungry && room() > 0) taking.wake();
      if (offered === 0) onNoneOffered();
    }
  }

  /** How many jobs may be taken now. */
  function room(): number {
    const free = queue.slots - running.size - ahead.length - offered;
    // A job ahead would keep a thread's place; and one that must not run again once lost could be lost before it began.
    if (inThreads || registry.failLost.length > 0) return free;
    const wanted = wantedAhead({ slots: queue.slots, runMs: averageRunMs, payloadBytes: averageBytes });
    // Not for every job that ends: a take is worth its trip when half of the stock is used up.
    return ahead.length > wanted / 2 ? 0 : free + wanted;
  }

  function fillSlots() {
    while (!stopping && running.size < queue.slots && ahead.length > 0 && inSlice()) {
      const held = ahead.shift()!;
      const run = runInSlot(parts, held).then((ending) => {
        if (ending) averageRunMs = averaged(averageRunMs, ending.ranMs);
        handIn(held.job, ending);
        running.delete(run);
        fillSlots();
        if (hungry && room() > 0) taking.wake();
      });
      running.add(run);
    }
  }

  function handIn(job: TakenJob, ending: Ending | null) {
    holdings.settle(job);
    if (inThreads) threads.leave(job);
    endings.handIn(job, ending);
  }

  return {
    name: `pool ${name}`,
    wake(sinceMs) {
      if (sinceMs !== undefined) lowWater.lookBack(sinceMs);
      taking.wake();
    },
    offer,
    start: () => taking.start(),
    async stop() {
      stopping = true;
      await taking.stop();
      if (offered > 0) await new Promise<void>((resolve) => (onNoneOffered = resolve));
      for (const { job } of ahead.splice(0)) handIn(job, releasedEnding(job));
      const idle = Promise.all(running).then(() => true);
      const timeUp = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => timeUp.resolve(false), parts.graceMs);
      if (!(await Promise.race([idle, timeUp.promise]))) holdings.interruptAll("released");
      clearTimeout(timer);
      await idle;
    },
  };
}

function averaged(average: number, latest: number): number {
  return Number.isFinite(average) ? average + LATEST_WEIGHT * (latest - average) : latest;
}
