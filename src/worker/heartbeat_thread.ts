/// <reference lib="webworker" />
import { connect, type DatabaseAddress } from "../db/connect.ts";
import { loop } from "../lifecycle/loop.ts";
import { type BeatAnswer, beat, type WorkerIdentity } from "../queue/beat.ts";
import type { AttemptKey } from "../queue/end.ts";

/** What the main thread says. */
export type ToThread =
  | { type: "start"; address: DatabaseAddress; prepare: boolean; worker: WorkerIdentity; ttlMs: number }
  | ({ type: "holdings" } & Held)
  | { type: "stop" };

interface Held {
  /** Null while the main thread cannot tell. */
  leases: string[] | null;
  attempts: AttemptKey[];
  draining: boolean;
}

/** What the thread says. */
export type FromThread =
  | ({ type: "beaten"; nextInMs: number } & BeatAnswer)
  | { type: "failed"; message: string }
  | { type: "stalled"; ms: number }
  | { type: "stopped" };

declare const self: DedicatedWorkerGlobalScope;

/** Two beats may be lost before the others take this worker for dead. */
const BEATS_PER_TTL = 3;
/**
 * A main thread that has said nothing for this long is stuck for good. Its jobs would be kept from everybody
 * by beats that mean nothing, so the process ends, and the others take over.
 */
const STALL_LIMIT_MS = 5 * 60_000;

let saidAtMs = performance.now();
let holdings: Held = { leases: [], attempts: [], draining: false };

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  saidAtMs = performance.now();
  if (data.type === "start") start(data);
  else if (data.type === "holdings") holdings = data;
};

/** Beats for as long as the thread lives, on a connection of its own: a handler that blocks the main loop is not dead. */
function start({ address, prepare, worker, ttlMs }: Extract<ToThread, { type: "start" }>) {
  const db = connect({ address, name: `jobsvc heartbeat ${worker.name}`, connections: 1, prepare });
  const beating = loop("beat", step, (error) => {
    say({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  });

  const beatEveryMs = ttlMs / BEATS_PER_TTL;

  async function step(): Promise<number> {
    const silentMs = performance.now() - saidAtMs;
    if (silentMs > STALL_LIMIT_MS) endProcess(silentMs);
    // A busy main thread cannot tell what it holds: a lease taken meanwhile would be disowned as one that nobody knows.
    const heldLeases = silentMs < beatEveryMs ? holdings.leases : null;
    const { draining, attempts: heldAttempts } = holdings;
    const answer = await beat(db, { worker, ttlMs, draining, heldLeases, heldAttempts });
    say({ type: "beaten", nextInMs: beatEveryMs, ...answer });
    return beatEveryMs;
  }

  self.addEventListener("message", async ({ data }: MessageEvent<ToThread>) => {
    if (data.type === "holdings" && data.draining) beating.wake(); // the others should know at once
    if (data.type !== "stop") return;
    await beating.stop();
    await db.close().catch(() => undefined); // the thread ends in any case
    say({ type: "stopped" });
  });

  void beating.start();
}

function endProcess(silentMs: number): never {
  say({ type: "stalled", ms: Math.round(silentMs) });
  console.error(JSON.stringify({ level: "fatal", event: "worker.stalled", ms: Math.round(silentMs) }));
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable: the process was killed");
}

function say(message: FromThread) {
  self.postMessage(message);
}
