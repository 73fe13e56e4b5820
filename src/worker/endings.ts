import type { Database } from "../db/connect.ts";
import { isUnavailable } from "../db/deadline.ts";
import type { TakenJob } from "../job/job.ts";
import type { Ending } from "../job/outcome.ts";
import type { Usage } from "../job/usage.ts";
import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { endAttempts } from "../queue/end.ts";
import { recordUsage } from "../queue/usage.ts";
import { type HandedIn, MAX_GROUP, unwritten } from "./unwritten.ts";

/** How long the first ending waits for company. */
const FLUSH_DELAY_MS = 5;
/** Rest of a buffer in which nothing waits: the next ending wakes it. */
const IDLE_MS = 60_000;

export interface Endings extends Service {
  /** So many wait that no job should be taken. */
  readonly full: boolean;
  /** A job was taken: its lease stays until every job under it has been handed in. */
  expect(job: TakenJob): void;
  /** Hands in a job: with its ending, or with null when somebody else has ended it. */
  handIn(job: TakenJob, ending: Ending | null): void;
  /** Adds what a job has used up to the ending that somebody else has written. */
  spentInVain(job: TakenJob, usage: Usage): void;
}

export interface EndingsParts {
  db: Database;
  workerId: string;
  emit: Emit;
  /** It was full, and is not any more: jobs may be taken again. */
  onRoom?: () => void;
}

/**
 * Writes endings in groups. What cannot be written because the database is away is kept and tried again:
 * a repeat is safe, and an ending that comes too late is known to be lost and dropped.
 * Stopping writes what waits, or gives up when the database stays away: rescue will run those jobs again.
 */
export function endings({ db, workerId, emit, onRoom }: EndingsParts): Endings {
  const waiting = unwritten();
  /** Jobs of each lease that have not been handed in and written. */
  const openJobs = new Map<string, number>();
  /** It has been full, be it in the middle of a write, and nobody has heard yet that there is room again. */
  let wasFull = false;

  const flushing = loop("endings", step, (error) => emit("step.failed", { step: "endings", error }));

  async function step(): Promise<number> {
    if (waiting.size === 0) return IDLE_MS;
    const waitedMs = performance.now() - waiting.sinceMs;
    if (waiting.size < MAX_GROUP && waitedMs < FLUSH_DELAY_MS) return FLUSH_DELAY_MS - waitedMs;
    await flush();
    return 0;
  }

  async function flush() {
    await writeGroup(waiting.group());
    if (!wasFull || waiting.full) return;
    wasFull = false;
    onRoom?.();
  }

  async function writeGroup(group: readonly HandedIn[]) {
    try {
      await write(group);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      if (group.length === 1) return await write(group.map(unstorable)).catch(giveUp);
      // The database refuses something in it: by halves, so that only the culprit suffers.
      const half = Math.ceil(group.length / 2);
      await writeGroup(group.slice(0, half));
      await writeGroup(group.slice(half));
    }
  }

  /**
   * Not even that can be stored, because the job's own row makes no sense. Those behind it must not wait for that: the
   * lease stays, and falls to rescue once this process no longer names it.
   */
  function giveUp(error: unknown) {
    if (isUnavailable(error)) throw error;
    waiting.remove(1);
    emit("step.failed", { step: "endings", error });
  }

  /** `group` is the head of what waits. */
  async function write(group: readonly HandedIn[]) {
    const written = group.flatMap(({ ending }) => ending ?? []);
    const closing = jobsOfLeases(group);
    const doneLeases = [...closing.keys()].filter(
      (leaseId) => openJobs.get(leaseId) === closing.get(leaseId),
    );
    const ended = await endAttempts(db, { workerId, endings: written, doneLeases, nowMs: performance.now() });
    waiting.remove(group.length);
    for (const [leaseId, jobs] of closing) close(leaseId, jobs);
    if (ended.length < written.length) {
      const counted = new Set(ended.map(({ jobId }) => jobId));
      for (const { job, ending } of group) if (ending && !counted.has(job.id)) reportLost(job, ending);
    }
  }

  function close(leaseId: string, jobs: number) {
    const open = (openJobs.get(leaseId) ?? 0) - jobs;
    if (open > 0) openJobs.set(leaseId, open);
    else openJobs.delete(leaseId);
  }

  function reportLost(job: TakenJob, { outcome, usage }: Ending) {
    const { id, kind, queue, attempt } = job;
    emit("job.ending_lost", { job_id: id, kind, queue, attempt, worker_id: workerId, outcome });
    if (usage) spentInVain(job, usage);
  }

  /** Tried once: it is good to know, and nothing depends on it. */
  function spentInVain({ id, attempt }: TakenJob, usage: Usage) {
    const report = (error: unknown) => emit("step.failed", { step: "usage", error });
    recordUsage(db, { jobId: id, attempt }, usage).catch(report);
  }

  return {
    name: "endings",
    get full() {
      return waiting.full;
    },
    expect(job) {
      openJobs.set(job.leaseId, (openJobs.get(job.leaseId) ?? 0) + 1);
    },
    handIn(job, ending) {
      waiting.add({ job, ending });
      wasFull ||= waiting.full;
      if (waiting.size === 1 || waiting.size === MAX_GROUP) flushing.wake();
    },
    spentInVain,
    start: () => flushing.start(),
    async stop() {
      await flushing.stop();
      while (waiting.size > 0) await flush();
    },
  };
}

function jobsOfLeases(group: readonly HandedIn[]): Map<string, number> {
  const jobs = new Map<string, number>();
  for (const { job } of group) jobs.set(job.leaseId, (jobs.get(job.leaseId) ?? 0) + 1);
  return jobs;
}

/** A handler's result or error that Postgres refuses to store must not leave the attempt without an ending. */
function unstorable({ job, ending }: HandedIn): HandedIn {
  if (!ending) return { job, ending };
  const error = {
    name: "ResultError",
    message: "the database refused to store the outcome",
    reason: "invalid_result",
  };
  return { job, ending: { ...ending, outcome: "failed", retryAfterMs: null, result: null, error } };
}
