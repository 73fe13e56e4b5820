import type { Database } from "../../src/db/connect.ts";
import type { NewJob } from "../../src/job/job.ts";
import { type Held, type HeldJob, readHeld } from "../../src/queue/held.ts";
import { type PullWorker, registerPullWorker } from "../../src/queue/pull_worker.ts";
import type { Ask } from "../../src/queue/take.ts";
import { type SinglyTakenJob, type TakeSingly, takeSingly } from "../../src/queue/take_singly.ts";
import { insertNew, marksOf } from "./factory.ts";

export const PULL_TTL_MS = 30_000;
export const LIMIT_MS = 60_000;

/** A worker over HTTP that is alive in the database. */
export async function pullWorker(db: Database, changes: Partial<PullWorker> = {}): Promise<PullWorker> {
  const worker: PullWorker = {
    id: crypto.randomUUID(),
    name: "test puller",
    queues: ["default"],
    kinds: ["ai_agent"],
    wanted: 1,
    ttlMs: PULL_TTL_MS,
    ...changes,
  };
  await registerPullWorker(db, worker);
  return worker;
}

/** Takes as the API would for this worker, looking at every lane afresh. */
export async function pull(
  db: Database,
  worker: Pick<PullWorker, "id" | "kinds">,
  limit: number,
  { defaultLimitMs = LIMIT_MS, failLost = [], ...changes }: Partial<Ask & Omit<TakeSingly, "ask">> = {},
): Promise<SinglyTakenJob[]> {
  const { queue = "default" } = changes;
  const { kinds } = worker;
  const marks = await marksOf(db, queue, kinds);
  const ask = { queue, kinds, marks, limit, blocks: limit, ...changes };
  return (await takeSingly(db, { workerId: worker.id, ask, failLost, defaultLimitMs })).jobs;
}

/** A worker over HTTP that holds `count` new jobs, each under a lease of its own. */
export async function pulling(
  db: Database,
  count: number,
  changes: Partial<NewJob> = {},
): Promise<{ worker: PullWorker; jobs: SinglyTakenJob[] }> {
  const worker = await pullWorker(db);
  await insertNew(db, count, changes);
  return { worker, jobs: await pull(db, worker, count) };
}

export function heldOf({ leaseId, id, attempt }: SinglyTakenJob): Held {
  return { leaseId, jobId: id, attempt };
}

/** What is known of it; fails when nothing is. */
export async function lookAt(db: Database, job: SinglyTakenJob): Promise<HeldJob> {
  const held = await readHeld(db, heldOf(job));
  if (held === undefined) throw new Error("nobody ever held this job so");
  return held;
}
