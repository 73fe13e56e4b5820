import type { NewJob, TakenJob } from "../../../src/job/job.ts";
import type { Outcome } from "../../../src/job/outcome.ts";
import type { JobState } from "../../../src/job/states.ts";
import type { WorkerIdentity } from "../../../src/queue/beat.ts";
import type { End } from "../../../src/queue/end.ts";

/** Long, so that most of what happens happens to the living; steps of time are minutes, so that real time decides nothing. */
export const TTL_MS = 600 * 60_000;
export const MAX_LOSSES = 3;

export interface ModelJob {
  id: string;
  priority: number;
  maxAttempts: number;
  /** How each attempt ended, in order. */
  history: Outcome[];
  final: boolean;
  createdMs: number;
  /** While it waits: when it is due. */
  dueMs: number;
  /** The lease that holds its next attempt. */
  lease: string | null;
  failures: number;
  losses: number;
}

export interface ModelLease {
  id: string;
  /** Null once disowned. */
  owner: ModelWorker | null;
  leasedMs: number;
  attempt: number;
  losses: number;
  /** Its jobs do not run again once they are lost. */
  failLost: boolean;
  jobs: ModelJob[];
}

export interface ModelWorker {
  identity: WorkerIdentity;
  expiresMs: number;
  /** What the process believes to hold, which may be long out of date. */
  memory: TakenJob[];
  lastEnd: End | null;
}

/** What the queue should do, in plain objects: no SQL, no races, and no time but the one that is let pass. */
export class Model {
  nowMs = 0;
  jobs: ModelJob[] = [];
  readonly leases = new Map<string, ModelLease>();
  readonly workers: ModelWorker[];
  lastInsert: NewJob[] = [];

  constructor(identities: readonly WorkerIdentity[]) {
    this.workers = identities.map((identity) => ({ identity, expiresMs: TTL_MS, memory: [], lastEnd: null }));
  }

  insert(job: NewJob, delayMs: number) {
    const { id, priority, maxAttempts } = job;
    const createdMs = this.nowMs;
    const dueMs = createdMs + Math.max(0, delayMs);
    this.jobs.push({
      id,
      priority,
      maxAttempts,
      history: [],
      final: false,
      createdMs,
      dueMs,
      lease: null,
      failures: 0,
      losses: 0,
    });
  }

  /** Undefined once it has been deleted; a worker may remember it all the same. */
  job(id: string): ModelJob | undefined {
    return this.jobs.find((job) => job.id === id);
  }

  /** Whether a lease is there of one of its attempts that was cancelled. */
  isHeld(job: ModelJob): boolean {
    return [...this.leases.values()].some(
      ({ jobs, attempt }) => jobs.includes(job) && job.history[attempt - 1] === "cancelled",
    );
  }

  /** Whether a lease names it, also one that is only there for others. */
  isNamed(job: ModelJob): boolean {
    return [...this.leases.values()].some(({ jobs }) => jobs.includes(job));
  }

  delete(deleted: ModelJob) {
    for (const lease of this.leases.values()) lease.jobs = lease.jobs.filter((job) => job !== deleted);
    this.prune([deleted]);
  }

  prune(pruned: readonly ModelJob[]) {
    this.jobs = this.jobs.filter((job) => !pruned.includes(job));
    this.lastInsert = this.lastInsert.filter(({ id }) => this.job(id));
    for (const job of pruned) job.history = [];
  }

  isAlive(worker: ModelWorker): boolean {
    return worker.expiresMs > this.nowMs;
  }

  /** The jobs that a take may answer. */
  due(): ModelJob[] {
    return this.jobs.filter((job) => this.state(job) === "available");
  }

  take(worker: ModelWorker, taken: readonly TakenJob[], failLost: boolean) {
    for (const { id, leaseId, attempt, losses } of taken) {
      const job = this.job(id)!;
      job.lease = leaseId;
      const lease = this.leases.get(leaseId);
      if (lease) lease.jobs.push(job);
      else
        this.leases.set(leaseId, {
          id: leaseId,
          owner: worker,
          leasedMs: this.nowMs,
          attempt,
          losses,
          failLost,
          jobs: [job],
        });
    }
    worker.memory.push(...taken);
  }

  isOpen(id: string, attempt: number): boolean {
    const job = this.job(id);
    return job !== undefined && !job.final && attempt === job.history.length + 1;
  }

  /** Ends the next attempt of a job; `retryAfterMs` null ends the job with it. */
  end(
    job: ModelJob,
    outcome: Outcome,
    retryAfterMs: number | null,
    standing?: { failures: number; losses: number },
  ) {
    job.history.push(outcome);
    job.lease = null;
    job.final = retryAfterMs === null;
    if (retryAfterMs === null) return;
    job.dueMs = this.nowMs + retryAfterMs;
    if (standing) ({ failures: job.failures, losses: job.losses } = standing);
  }

  leasesOf(worker: ModelWorker): ModelLease[] {
    return [...this.leases.values()].filter((lease) => lease.owner === worker);
  }

  /** The leases that a rescue may take away. */
  orphans(): ModelLease[] {
    return [...this.leases.values()].filter((lease) => !lease.owner || !this.isAlive(lease.owner));
  }

  /** Ends what is still open under a lease, and the lease with it. Answers the jobs that this concerned. */
  closeLease(lease: ModelLease, endJob: (job: ModelJob) => void): ModelJob[] {
    this.leases.delete(lease.id);
    const open = lease.jobs.filter((job) => this.isOpen(job.id, lease.attempt));
    open.forEach(endJob);
    return open;
  }

  lose(job: ModelJob, lease: ModelLease) {
    const losses = lease.losses + 1;
    if (losses >= MAX_LOSSES || lease.failLost) this.end(job, "failed", null);
    else this.end(job, "lost", 0, { failures: job.failures, losses });
  }

  state(job: ModelJob): JobState {
    if (job.final) return job.history.at(-1) as JobState;
    if (job.lease) return "running";
    if (job.dueMs <= this.nowMs) return "available";
    return job.history.length === 0 ? "scheduled" : "retryable";
  }
}
