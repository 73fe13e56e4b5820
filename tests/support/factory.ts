import type { Database } from "../../src/db/connect.ts";
import type { NewJob, TakenJob } from "../../src/job/job.ts";
import type { Ending } from "../../src/job/outcome.ts";
import { beat, type WorkerIdentity } from "../../src/queue/beat.ts";
import { endAttempts } from "../../src/queue/end.ts";
import { insertJobs } from "../../src/queue/insert.ts";
import { type LaneMarks, readMarks } from "../../src/queue/lanes.ts";
import { type Ask, type Take, takeJobs } from "../../src/queue/take.ts";

/** A job that nothing is special about, but for what the test says. */
export function newJob(changes: Partial<NewJob> = {}): NewJob {
  return {
    id: Bun.randomUUIDv7(),
    kind: "ai_agent",
    queue: "default",
    priority: 5,
    userId: "123e4567-e89b-12d3-a456-426614174000",
    resourceId: "456e7890-e89b-12d3-a456-426614174001",
    payload: "{}",
    maxAttempts: 4,
    scheduledAt: null,
    timeoutMs: null,
    tags: [],
    metadata: {},
    ...changes,
  };
}

export async function insertNew(
  db: Database,
  count: number,
  changes: Partial<NewJob> = {},
): Promise<NewJob[]> {
  const jobs = Array.from({ length: count }, () => newJob(changes));
  await insertJobs(db, jobs);
  return jobs;
}

export const TTL_MS = 15_000;

/** A worker that is alive in the database. */
export async function registered(
  db: Database,
  changes: Partial<WorkerIdentity> = {},
): Promise<WorkerIdentity> {
  const worker: WorkerIdentity = {
    id: crypto.randomUUID(),
    name: "test worker",
    role: "worker",
    version: "0.0.0",
    queues: ["default"],
    kinds: ["ai_agent"],
    slots: 100,
    ...changes,
  };
  await beat(db, { worker, ttlMs: TTL_MS, draining: false, heldLeases: null, heldAttempts: [] });
  return worker;
}

/** Takes as `worker` would, looking at every lane afresh. */
export async function take(
  db: Database,
  worker: WorkerIdentity,
  limit: number,
  { failLost = [], ...changes }: Taking = {},
): Promise<TakenJob[]> {
  const { queue = "default", kinds = worker.kinds } = changes;
  const marks = await marksOf(db, queue, kinds);
  const asks = [{ queue, kinds, marks, limit, blocks: limit, suspects: true, ...changes }];
  const [taken] = await takeJobs(db, { workerId: worker.id, asks, failLost });
  return taken!.jobs;
}

/** What a test may want to be otherwise of a take from one queue. */
export type Taking = Partial<Ask & Omit<Take, "asks" | "workerId">>;

export async function marksOf(db: Database, queue: string, kinds: readonly string[]): Promise<LaneMarks> {
  const [found] = await readMarks(db, [{ queue, kinds }]);
  return found!;
}

/** A worker that is alive and holds `count` new jobs. */
export async function working(
  db: Database,
  count: number,
  changes: Partial<NewJob> = {},
  taking: Taking = {},
): Promise<{ worker: WorkerIdentity; jobs: TakenJob[] }> {
  const worker = await registered(db);
  await insertNew(db, count, changes);
  return { worker, jobs: await take(db, worker, count, taking) };
}

export function ending(job: TakenJob, changes: Partial<Ending> = {}): Ending {
  return {
    jobId: job.id,
    attempt: job.attempt,
    leaseId: job.leaseId,
    queue: job.queue,
    kind: job.kind,
    priority: job.priority,
    outcome: "completed",
    ranMs: 10,
    endedAtMs: 0,
    retryAfterMs: null,
    failures: job.failures,
    losses: job.losses,
    error: null,
    result: null,
    usage: null,
    ...changes,
  };
}

/** Ends jobs together, and their leases with them unless others are named. Answers the ids whose ending counted. */
export async function end(
  db: Database,
  worker: WorkerIdentity,
  jobs: readonly TakenJob[],
  changes: Partial<Ending> = {},
  doneLeases: readonly string[] = [...new Set(jobs.map((job) => job.leaseId))],
): Promise<string[]> {
  const ended = await endAttempts(db, {
    workerId: worker.id,
    endings: jobs.map((job) => ending(job, changes)),
    doneLeases,
    nowMs: 0,
  });
  return ended.map(({ jobId }) => jobId);
}

/** Makes a worker look dead to the others, as if it had not beaten for long. */
export async function expire(db: Database, worker: { id: string }): Promise<void> {
  await db.run(
    (sql) => sql`update jobsvc.workers set expires_at = now() - interval '1 second' where id = ${worker.id}`,
  );
}

/** Lets time pass for everything in the database at once, by moving all that it remembers into the past. */
export async function passTime(db: Database, ms: number): Promise<void> {
  await db.run(
    (sql) => sql`
    with by as (select ${ms} * interval '1 millisecond' as time),
    jobs as (
      update jobsvc.jobs set created_at = created_at - by.time, scheduled_at = scheduled_at - by.time from by
    ),
    ready as (update jobsvc.ready set run_at = run_at - by.time from by),
    leases as (
      update jobsvc.leases
      set leased_at = leased_at - by.time, beaten_at = beaten_at - by.time, deadline_at = deadline_at - by.time
      from by
    ),
    workers as (update jobsvc.workers set expires_at = expires_at - by.time from by)
    update jobsvc.attempts
    set started_at = started_at - by.time, finished_at = finished_at - by.time, retry_at = retry_at - by.time
    from by`,
  );
}
