import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import { loop } from "../lifecycle/loop.ts";
import { type Service, together } from "../lifecycle/service.ts";
import type { Offer } from "../queue/inserter.ts";
import type { LaneMarks, Source } from "../queue/lanes.ts";
import type { Taken } from "../queue/taken_row.ts";
import { WELL_STOCKED } from "./ahead.ts";
import type { Endings } from "./endings.ts";
import { experience } from "./experience.ts";
import type { Holdings } from "./holdings.ts";
import { releasedEnding } from "./run.ts";
import { slices } from "./slices.ts";
import { runInSlot, type SlotParts } from "./slot.ts";
import { stock } from "./stock.ts";
import type { PoolAsk } from "./takes.ts";

/** Jobs of one queue that run in the same way, and how many of them may at once. */
export interface PoolSource extends Source {
  slots: number;
  /** Whether these run in threads: then it takes no more of them than there are places for. */
  inThreads: boolean;
}

export interface PoolParts extends SlotParts {
  source: PoolSource;
  holdings: Holdings;
  endings: Endings;
  /** From where a take that begins now has to look; undefined as long as nobody knows. */
  marks: () => LaneMarks | undefined;
  take: (ask: PoolAsk) => Promise<Taken>;
  /** How long `stop` waits for running jobs. */
  graceMs: number;
}

export interface Pool extends Service {
  /** There is work in the queue, or may be: look now. */
  wake(): void;
  /** Slots for jobs that are being inserted here: undefined when there is none, or when the last take found work. */
  offer(jobs: number): Offer | undefined;
}

/** Rest of a pool that finds nothing, or has no room: news, the poll or a free slot wake it. */
const IDLE_MS = 60_000;

/**
 * The slots of one queue. Takes as many jobs as there are free slots whenever it is woken, and of short ones some ahead,
 * and runs each. Stopping takes nothing new, releases what was taken ahead, waits for running jobs up to the grace, and
 * then breaks them off and releases them too: they can run elsewhere at once.
 */
export function pool(parts: PoolParts): Pool {
  const { workerId, source, registry, threads, holdings, endings } = parts;
  const { queue, kinds, slots, inThreads } = source;
  const name = inThreads ? `${queue} in threads` : queue;
  const running = new Set<Promise<void>>();
  const ahead = stock(giveBackAhead);
  const known = experience(slots);
  let stopping = false;
  let lastBlockSize = 1;
  /** The last take has left work, or may have; or nothing was taken yet. */
  let hungry = true;
  /** Slots that are kept for jobs which are being inserted, and who waits until there are none of these. */
  let offered = 0;
  let onNoneOffered = () => {};
  /** For how many jobs takes are under way, and whether two of these have been so at once. */
  let [asked, met] = [0, false];
  const inSlice = slices(fillSlots);
  const failed = (error: unknown) => parts.emit("step.failed", { step: `take ${name}`, error });
  // Whoever takes jobs for threads has places for them first, and none to spare.
  const names = inThreads ? [`take ${name}`] : [`take ${name}`, `take ${name} beside it`];
  const takers = names.map((name) => loop(name, step, failed));
  const taking = together(`takes ${name}`, takers);

  async function step(): Promise<number> {
    hungry = true;
    const marks = parts.marks();
    // Who looks there first wakes it.
    if (marks === undefined) return IDLE_MS;
    const wanted = endings.full ? 0 : room();
    const limit = inThreads ? threads.places.take(wanted, wake) : wanted;
    if (limit <= 0) return IDLE_MS;
    met ||= asked > 0;
    asked += limit;
    let [taken, left] = [0, false];
    try {
      const { jobs, more } = await take(limit, marks);
      taken = jobs.length;
      const isLast = asked === limit;
      // Two at once hide from each other the blocks that they cut: the last one looks once more, alone.
      left = more || taken === limit || (isLast && met);
      hungry = left || !isLast;
    } finally {
      asked -= limit;
      met &&= asked > 0;
      if (inThreads) threads.places.giveBack(limit - taken);
    }
    fillSlots();
    return left ? 0 : IDLE_MS;
  }

  async function take(limit: number, marks: LaneMarks): Promise<Taken> {
    // One block more than the last size tells, for one that was cut before.
    const blocks = Math.min(limit, Math.ceil(limit / lastBlockSize) + 1);
    const taken = await parts.take({ queue, kinds, marks, limit, blocks, hold });
    lastBlockSize = taken.blockSize;
    return taken;
  }

  function hold(job: TakenJob) {
    endings.expect(job);
    known.held(job.payload.length);
    ahead.add({ job, breaker: holdings.hold(job) });
  }

  function offer(jobs: number): Offer | undefined {
    const free = Math.min(jobs, slots - running.size - ahead.size - offered);
    if (stopping || hungry || inThreads || endings.full || free <= 0) return undefined;
    offered += free;
    return { workerId, queue, slots: free, kinds, failLost: registry.failLost, start };

    function start(started: readonly TakenJob[]) {
      offered -= free;
      started.forEach(hold);
      fillSlots();
      // A take that found no room meanwhile.
      if (hungry && room() > 0) wake();
      if (offered === 0) onNoneOffered();
    }
  }

  function wake() {
    for (const taker of takers) taker.wake();
  }

  /** How many jobs may be taken now. */
  function room(): number {
    const free = slots - running.size - ahead.size - offered - asked;
    // A job ahead would keep a thread's place; and one that must not run again once lost could be lost before it began.
    if (inThreads || registry.failLost.length > 0) return free;
    const wanted = known.wantedAhead();
    // Not for every job that ends: a take is worth its trip when a third of the stock is used up.
    return ahead.size + asked > wanted * WELL_STOCKED ? 0 : free + wanted;
  }

  function fillSlots() {
    while (!stopping && running.size < slots && ahead.size > 0 && inSlice()) {
      const held = ahead.next()!;
      const run = runInSlot(parts, held).then((ending) => {
        if (ending) known.ran(ending.ranMs);
        handIn(held.job, ending);
        running.delete(run);
        fillSlots();
        if (hungry && room() > 0) wake();
      });
      running.add(run);
    }
  }

  /** They can run elsewhere at once, and nothing counts against them. */
  function releaseAhead() {
    for (const { job } of ahead.clear()) handIn(job, releasedEnding(job));
  }

  /** The jobs that run take longer than those before them did: as if nothing were known of how long they take. */
  function giveBackAhead() {
    parts.emit("worker.gave_back", { worker_id: workerId, queue, jobs: ahead.size });
    releaseAhead();
    known.forgetTimes();
    hungry = true;
  }

  function handIn(job: TakenJob, ending: Ending | null) {
    holdings.settle(job);
    if (inThreads) threads.leave(job);
    endings.handIn(job, ending);
  }

  return {
    name: `pool ${name}`,
    wake,
    offer,
    start: () => taking.start(),
    async stop() {
      stopping = true;
      await taking.stop();
      if (offered > 0) await new Promise<void>((resolve) => (onNoneOffered = resolve));
      releaseAhead();
      const idle = Promise.all(running).then(() => true);
      const timeUp = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => timeUp.resolve(false), parts.graceMs);
      if (!(await Promise.race([idle, timeUp.promise]))) holdings.interruptAll("released");
      clearTimeout(timer);
      await idle;
    },
  };
}
