import type { Database, DatabaseAddress } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import { keepPace, type Pace } from "../lifecycle/progress.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";
import { announceNow } from "../queue/announce.ts";
import type { BeatAnswer, WorkerIdentity } from "../queue/beat.ts";
import { releaseJobs } from "../queue/release.ts";
import type { FromThread, ToThread } from "./heartbeat_thread.ts";
import type { Holdings } from "./holdings.ts";

export interface HeartbeatParts {
  db: Database;
  address: DatabaseAddress;
  prepare: boolean;
  worker: WorkerIdentity;
  ttlMs: number;
  holdings: Holdings;
  emit: Emit;
}

export interface Heartbeat extends Service {
  /** From now on the others see this worker as draining. */
  drain(): void;
}

/** How often the thread hears what is held here: three times between two beats, and so often that it never takes us for stuck. */
const tellEveryMs = (ttlMs: number) => Math.min(ttlMs / 9, 1_000);
/** The thread is told so many times later than it should be when something keeps this one from it. */
const BUSY = 2;
/** A thread that does not say goodbye is not waited for: its end is the end of the process. */
const STOP_PATIENCE_MS = 3_000;

/**
 * A worker's presence in the database, from the first beat to the goodbye, which gives back whatever is still held.
 * The beats come from a thread of their own; this side tells it what is held, and breaks off what
 * turns out to be ended by somebody else, or lost.
 */
export function heartbeat(parts: HeartbeatParts): Heartbeat {
  const { db, worker, holdings, emit } = parts;
  let thread: Worker | undefined;
  /** The loop of the thread keeps its pace there, where nobody asks for it. */
  let beats: Pace | undefined;
  let present = false;
  let draining = false;
  let toldMs = performance.now();
  let coming: Promise<void> | undefined;
  let leaving: Promise<void> | undefined;
  const firstBeat = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();

  const telling = loop("tell the heartbeat", tell, (error) =>
    emit("step.failed", { step: "heartbeat", error }),
  );

  async function tell(): Promise<number> {
    const everyMs = tellEveryMs(parts.ttlMs);
    const silentMs = performance.now() - toldMs;
    toldMs += silentMs;
    // After a handler that kept this thread busy, answers may lie there unread, with leases that nobody here knows yet.
    const leases = silentMs > everyMs * BUSY ? null : holdings.leases();
    say({ type: "holdings", leases, attempts: holdings.attempts(), draining });
    return everyMs;
  }

  function say(message: ToThread) {
    thread?.postMessage(message);
  }

  function hear(message: FromThread) {
    switch (message.type) {
      case "beaten":
        present = true;
        beats?.rested(message.nextInMs);
        firstBeat.resolve();
        return heed(message);
      case "failed":
        return emit("step.failed", { step: "beat", error: message.message });
      case "stalled":
        return emit("worker.stalled", { worker_id: worker.id, ms: message.ms });
      case "stopped":
        return stopped.resolve();
    }
  }

  /** A worker without beats is taken for dead and gets no work: better no process than one that only seems to live. */
  function fail(error: Error) {
    if (present) throw error;
    firstBeat.reject(error);
  }

  function heed({ lostLeases, ended }: BeatAnswer) {
    // A lease that was wholly ended a moment ago is missing too; only what is still held here was lost.
    const held = new Set(holdings.leases());
    const lost = lostLeases.filter((lease) => held.has(lease));
    for (const lease of lost) holdings.interruptLease(lease, "lost");
    if (lost.length > 0) emit("worker.leases_lost", { worker_id: worker.id, leases: lost.length });
    for (const attempt of ended) holdings.interrupt(attempt, attempt.outcome);
  }

  async function come() {
    if (leaving) return;
    beats = keepPace("beat");
    thread = new Worker(new URL("./heartbeat_thread.ts", import.meta.url).href);
    thread.onmessage = ({ data }: MessageEvent<FromThread>) => hear(data);
    thread.onerror = ({ message }) => fail(new Error(`the heartbeat thread failed: ${message}`));
    const { address, prepare, ttlMs } = parts;
    say({ type: "start", address, prepare, worker, ttlMs });
    await firstBeat.promise;
    await telling.start();
  }

  async function leave() {
    await telling.stop();
    if (!thread) return;
    say({ type: "stop" });
    const patience = setTimeout(stopped.resolve, STOP_PATIENCE_MS);
    await stopped.promise;
    clearTimeout(patience);
    thread.terminate();
    beats?.end();
    await releaseJobs(db, worker.id);
    // What was released, here or by an ending, should not wait for somebody's next poll.
    await announceNow(db, worker.queues);
    emit("worker.stopped", { worker_id: worker.id });
  }

  return {
    name: "heartbeat",
    drain() {
      draining = true;
      telling.wake();
    },
    /** May be called twice: what starts ahead is waited for once more where its turn would be. */
    start() {
      coming ??= come();
      return coming;
    },
    stop() {
      leaving ??= leave();
      return leaving;
    },
  };
}
