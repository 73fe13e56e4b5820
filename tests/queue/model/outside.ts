import { expect } from "bun:test";
import type { Database } from "../../../src/db/connect.ts";
import { cancelJob } from "../../../src/queue/cancel.ts";
import { changeJob } from "../../../src/queue/change.ts";
import { deleteJob } from "../../../src/queue/delete.ts";
import { startedJobs } from "../../../src/queue/direct_start.ts";
import { insertInto, insertJobs } from "../../../src/queue/insert.ts";
import { FIRST_PAGE, pruneJobs } from "../../../src/queue/prune.ts";
import { rescueJobs } from "../../../src/queue/rescue.ts";
import { retryJob } from "../../../src/queue/retry.ts";
import { newJob, passTime } from "../../support/factory.ts";
import { ids } from "../../support/facts.ts";
import { type Happening, pickFinal, pickJob, pickWorker } from "./command.ts";
import { MAX_LOSSES, type Model } from "./model.ts";

/** What clients, operators, other nodes and the clock do. */

const hasJobs = (model: Model) => model.jobs.length > 0;

export const insert: Happening<{ count: number; priority: number; delayMs: number; maxAttempts: number }> = {
  name: "insert",
  async happen(model, db, { count, priority, delayMs, maxAttempts }) {
    const scheduledAt = delayMs === 0 ? null : new Date(Date.now() + delayMs);
    const jobs = Array.from({ length: count }, () => newJob({ priority, maxAttempts, scheduledAt }));
    expect(await insertJobs(db, jobs)).toEqual(ids(jobs));
    for (const job of jobs) model.insert(job, delayMs);
    model.lastInsert = jobs;
  },
};

/** By a process that works, too: as many as fit into its free slots start at once. */
export const insertAndStart: Happening<{
  count: number;
  slots: number;
  delayMs: number;
  worker: number;
  failLost: boolean;
}> = {
  name: "insert into free slots",
  async happen(model, db, { count, slots, delayMs, failLost, ...picks }) {
    const worker = pickWorker(model, picks);
    const scheduledAt = delayMs === 0 ? null : new Date(Date.now() + delayMs);
    const jobs = Array.from({ length: count }, () => newJob({ scheduledAt }));
    const kinds = ["ai_agent"];
    const workerId = worker.identity.id;
    const free = { workerId, queue: "default", slots, kinds, failLost: failLost ? kinds : [] };
    const started = startedJobs(jobs, await insertInto(db, { jobs, free }));
    for (const job of jobs) model.insert(job, delayMs);
    model.lastInsert = jobs;
    const starts = model.isAlive(worker) && delayMs <= 0 ? Math.min(count, slots) : 0;
    expect(ids(started)).toEqual(ids(jobs.slice(0, starts)));
    model.take(worker, started, failLost);
  },
};

export const insertAgain: Happening<object> = {
  name: "insert the same again",
  async happen(model, db) {
    expect(await insertJobs(db, model.lastInsert)).toEqual([]);
  },
};

export const cancel: Happening<{ job: number }> = {
  name: "cancel",
  canHappen: hasJobs,
  async happen(model, db, picks) {
    const job = pickJob(model, picks);
    expect(await cancelJob(db, job.id)).toBe(job.final ? "already_final" : "cancelled");
    if (!job.final) model.end(job, "cancelled", null);
  },
};

export const retry: Happening<{ job: number }> = {
  name: "operator's retry",
  canHappen: hasJobs,
  async happen(model, db, picks) {
    const job = pickFinal(model, picks);
    expect(await retryJob(db, job.id)).toBe(job.final ? "retried" : "not_final");
    if (!job.final) return;
    const failed = job.history.filter((outcome) => outcome === "failed").length;
    job.final = false;
    job.dueMs = model.nowMs;
    job.failures = Math.min(failed, job.maxAttempts - 1);
    job.losses = 0;
  },
};

/** Not while somebody may not know yet that the job was cancelled; the memory of a worker may outlast the job. */
export const remove: Happening<{ job: number }> = {
  name: "delete",
  canHappen: hasJobs,
  async happen(model, db, picks) {
    const job = pickFinal(model, picks);
    const answer = !job.final ? "not_final" : model.isHeld(job) ? "held" : "deleted";
    expect(await deleteJob(db, job.id)).toBe(answer);
    if (answer === "deleted") model.delete(job);
  },
};

/** As if everything were kept no longer than a moment. */
export const prune: Happening<object> = {
  name: "prune",
  async happen(model, db) {
    const retention = { completedHours: 0, cancelledHours: 0, failedHours: 0 };
    const final = model.jobs.filter((job) => job.final && !model.isNamed(job));
    const pruned = await pruneJobs(db, { retention, limit: 1_000, after: FIRST_PAGE });
    expect(pruned).toEqual({ jobs: final.length, next: null });
    model.prune(final);
  },
};

/** A delay of zero means as soon as possible, and none that the time stays as it is. */
export const change: Happening<{ job: number; priority: number; delayMs: number | null }> = {
  name: "change",
  canHappen: hasJobs,
  async happen(model, db, { priority, delayMs, ...picks }) {
    const job = pickJob(model, picks);
    const waits = !job.final && !job.lease;
    const scheduledAt = delayMs ? new Date(Date.now() + delayMs) : null;
    const answer = await changeJob(db, job.id, { priority, ...(delayMs !== null && { scheduledAt }) });
    expect(answer).toBe(waits ? "changed" : "not_waiting");
    if (!waits) return;
    job.priority = priority;
    if (delayMs === null) return;
    const earliestMs = job.history.length === 0 ? job.createdMs : model.nowMs;
    job.dueMs = delayMs === 0 ? earliestMs : Math.max(model.nowMs + delayMs, earliestMs);
  },
};

/** Two nodes at once, as it is in life; what they rescue together is what one would have. */
export const rescue: Happening<object> = {
  name: "rescue on two nodes",
  async happen(model, db) {
    const limits = { maxLosses: MAX_LOSSES, limit: 1_000 };
    const [one, other] = await Promise.all([rescueJobs(db, limits), rescueJobs(db, limits)]);
    const orphans = model.orphans();
    const lost = orphans.flatMap((lease) => model.closeLease(lease, (job) => model.lose(job, lease)));
    expect(one.leases + other.leases).toBe(orphans.length);
    expect(one.lost + other.lost).toBe(lost.filter((job) => !job.final).length);
    const ended = one.crashed + other.crashed + one.failed + other.failed;
    expect(ended).toBe(lost.filter((job) => job.final).length);
    // Lost jobs are spread over a second, and all of them are due after it.
    await letPass(model, db, 1_000);
  },
};

export const time: Happening<{ minutes: number }> = {
  name: "time passes",
  happen: (model, db, { minutes }) => letPass(model, db, minutes * 60_000),
};

export async function letPass(model: Model, db: Database, ms: number) {
  await passTime(db, ms);
  model.nowMs += ms;
}
