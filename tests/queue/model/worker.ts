import { expect } from "bun:test";
import type { TakenJob } from "../../../src/job/job.ts";
import type { Outcome } from "../../../src/job/outcome.ts";
import { beat } from "../../../src/queue/beat.ts";
import { cancelJob } from "../../../src/queue/cancel.ts";
import { type AttemptKey, type End, endAttempts } from "../../../src/queue/end.ts";
import { releaseJobs } from "../../../src/queue/release.ts";
import { rescueJobs } from "../../../src/queue/rescue.ts";
import { ending, expire, take as takeAs } from "../../support/factory.ts";
import { pull } from "../../support/pulling.ts";
import { type Happening, pickHolder, pickSome, pickWorker } from "./command.ts";
import { MAX_LOSSES, type Model, type ModelWorker, TTL_MS } from "./model.ts";
import { letPass } from "./outside.ts";

/** What workers do, the living and the dead. */

interface Worker {
  worker: number;
}

const someHold = (model: Model) => model.workers.some(({ memory }) => memory.length > 0);

/** Real time blurs the order of what became due within this much of each other. */
const BLUR_MS = 30_000;

/** Together under as few leases as can be, or singly, as a worker over HTTP does. */
export const take: Happening<Worker & { limit: number; failLost: boolean; singly: boolean }> = {
  name: "take",
  async happen(model, db, { limit, failLost, singly, ...picks }) {
    const worker = pickWorker(model, picks);
    const options = { failLost: failLost ? ["ai_agent"] : [] };
    const holdsSuspect = [...model.leases.values()].some(
      ({ owner, losses }) => owner === worker && losses >= 2,
    );
    const taken = await (singly ? pull : takeAs)(db, worker.identity, limit, options);
    const due = model.isAlive(worker) ? model.due() : [];
    const suspects = due.filter((job) => job.losses >= 2).length;
    const welcome = singly && holdsSuspect ? 0 : Math.min(1, suspects);
    expect(taken).toHaveLength(Math.min(limit, due.length - suspects + welcome));
    if (singly) expect(new Set(taken.map(({ leaseId }) => leaseId)).size).toBe(taken.length);
    expect(taken.filter((job) => job.losses >= 2).length).toBeLessThanOrEqual(1);
    const left = due.filter((job) => job.losses < 2 && !taken.some(({ id }) => id === job.id));
    for (const { id, attempt, failures, losses } of taken) {
      const job = due.find((job) => job.id === id);
      expect(job).toMatchObject({ failures, losses });
      expect(attempt).toBe(job!.history.length + 1);
      if (losses >= 2) continue;
      const passedOver = left.filter(
        (other) =>
          other.priority < job!.priority ||
          (other.priority === job!.priority && other.dueMs + BLUR_MS < job!.dueMs),
      );
      expect(passedOver).toEqual([]);
    }
    model.take(worker, taken, failLost);
  },
};

/** Also by a worker that has long been taken for dead: then some or all of it counts for nothing. */
export const end: Happening<Worker & { some: number; outcome: Outcome; retryAfterMs: number | null }> = {
  name: "end",
  canHappen: someHold,
  async happen(model, db, { some, outcome, retryAfterMs, ...picks }) {
    const worker = pickHolder(model, picks);
    const jobs = pickSome(worker.memory, some);
    const call = endOf(worker, jobs, outcome, retryAfterMs);
    const ended = await endAttempts(db, call);
    const counting = jobs.filter((job) => model.isOpen(job.id, job.attempt));
    expect(ended.map(({ jobId }) => jobId).toSorted()).toEqual(counting.map(({ id }) => id).toSorted());
    applyEnd(model, worker, call, jobs, counting);
  },
};

function endOf(
  worker: ModelWorker,
  jobs: readonly TakenJob[],
  outcome: Outcome,
  retryAfterMs: number | null,
): End {
  const rest = new Set(worker.memory.filter((job) => !jobs.includes(job)).map((job) => job.leaseId));
  return {
    workerId: worker.identity.id,
    endings: jobs.map((job) =>
      ending(job, { outcome, retryAfterMs, failures: job.failures + (outcome === "failed" ? 1 : 0) }),
    ),
    doneLeases: [...new Set(jobs.map((job) => job.leaseId))].filter((lease) => !rest.has(lease)),
    nowMs: 0,
  };
}

function applyEnd(
  model: Model,
  worker: ModelWorker,
  call: End,
  jobs: readonly TakenJob[],
  counting: readonly TakenJob[],
) {
  for (const { jobId, attempt, outcome, retryAfterMs, failures, losses } of call.endings) {
    if (counting.some((job) => job.id === jobId && job.attempt === attempt))
      model.end(model.job(jobId)!, outcome, retryAfterMs, { failures, losses });
  }
  for (const lease of call.doneLeases) model.leases.delete(lease);
  worker.memory = worker.memory.filter((job) => !jobs.includes(job));
  worker.lastEnd = call;
}

export const endAgain: Happening<Worker> = {
  name: "end the same again",
  canHappen: (model, picks) => pickWorker(model, picks).lastEnd !== null,
  async happen(model, db, picks) {
    expect(await endAttempts(db, pickWorker(model, picks).lastEnd!)).toEqual([]);
  },
};

export const endMeetsCancel: Happening<Worker & { some: number }> = {
  name: "end meets cancel",
  canHappen: someHold,
  async happen(model, db, { some, ...picks }) {
    const worker = pickHolder(model, picks);
    const job = worker.memory[some % worker.memory.length]!;
    const call = endOf(worker, [job], "completed", null);
    const [ended, answer] = await Promise.all([endAttempts(db, call), cancelJob(db, job.id)]);
    const known = model.job(job.id);
    if (!model.isOpen(job.id, job.attempt)) expect(ended).toEqual([]);
    if (!known) expect(answer).toBe("not_found");
    else expect(answer).toBe(known.final || ended.length > 0 ? "already_final" : "cancelled");
    applyEnd(model, worker, call, [job], ended.length > 0 ? [job] : []);
    if (known && answer === "cancelled") model.end(known, "cancelled", null);
  },
};

export const endMeetsRescue: Happening<Worker> = {
  name: "a worker ends all that it has while it is taken for dead",
  canHappen: someHold,
  async happen(model, db, picks) {
    const worker = pickHolder(model, picks);
    await expire(db, worker.identity);
    worker.expiresMs = model.nowMs;
    const jobs = [...worker.memory];
    const call = endOf(worker, jobs, "completed", null);
    const limits = { maxLosses: MAX_LOSSES, limit: 1_000 };
    const [ended, rescued] = await Promise.all([endAttempts(db, call), rescueJobs(db, limits)]);
    const counted = jobs.filter((job) =>
      ended.some((key) => key.jobId === job.id && key.attempt === job.attempt),
    );
    expect(counted.every((job) => model.isOpen(job.id, job.attempt))).toBe(true);
    const orphans = model.orphans();
    applyEnd(model, worker, call, jobs, counted);
    const lost = orphans.flatMap((lease) => model.closeLease(lease, (job) => model.lose(job, lease)));
    expect(rescued.lost + rescued.crashed + rescued.failed).toBe(lost.length);
    await letPass(model, db, 1_000);
  },
};

export const die: Happening<Worker> = {
  name: "die",
  async happen(model, db, picks) {
    const worker = pickWorker(model, picks);
    await expire(db, worker.identity);
    worker.expiresMs = Math.min(worker.expiresMs, model.nowMs);
  },
};

/** An ending that could never be written: the process goes on, and does not know the jobs any more. */
export const forget: Happening<Worker> = {
  name: "forget",
  canHappen: someHold,
  async happen(model, _, picks) {
    pickHolder(model, picks).memory = [];
  },
};

export const sayAlive: Happening<Worker & { tellsLeases: boolean }> = {
  name: "beat",
  async happen(model, db, { tellsLeases, ...picks }) {
    const worker = pickWorker(model, picks);
    const held = [...new Set(worker.memory.map((job) => job.leaseId))];
    const heldAttempts = worker.memory.map(({ id, attempt }) => ({ jobId: id, attempt }));
    const answer = await beat(db, {
      worker: worker.identity,
      ttlMs: TTL_MS,
      draining: false,
      heldLeases: tellsLeases ? held : null,
      heldAttempts,
    });
    worker.expiresMs = model.nowMs + TTL_MS;
    const owned = model.leasesOf(worker);
    for (const lease of tellsLeases ? owned : []) {
      if (!held.includes(lease.id) && model.nowMs - lease.leasedMs >= TTL_MS) lease.owner = null;
    }
    const lost = tellsLeases ? held.filter((id) => model.leases.get(id)?.owner !== worker) : [];
    expect(answer.lostLeases.toSorted()).toEqual(lost.toSorted());
    const ended = heldAttempts.flatMap(({ jobId, attempt }) => {
      const outcome = model.job(jobId)?.history[attempt - 1];
      return outcome ? { jobId, attempt, outcome } : [];
    });
    expect(answer.ended.toSorted(byJob)).toEqual(ended.toSorted(byJob));
  },
};

function byJob(a: AttemptKey, b: AttemptKey): number {
  return a.jobId.localeCompare(b.jobId) || a.attempt - b.attempt;
}

export const release: Happening<Worker> = {
  name: "release",
  async happen(model, db, picks) {
    const worker = pickWorker(model, picks);
    const released = await releaseJobs(db, worker.identity.id);
    const open = model
      .leasesOf(worker)
      .flatMap((lease) => model.closeLease(lease, (job) => model.end(job, "released", 0)));
    expect(released).toEqual(new Map(open.length > 0 ? [["default", open.length]] : []));
    worker.expiresMs = model.nowMs;
  },
};
