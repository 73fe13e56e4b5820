import type { Settings } from "../config/settings.ts";

/** A service that --watch has started is told by this variable which process has. */
export const WATCHED_BY = "WATCHED_BY_JOBSVC";

/** Who changes a handler wants to see it run, not to wait for the jobs of before: those are given back, and run again. */
const WATCHED_GRACE_MS = 1_000;

/** After that a service that has not ended is stuck, and is ended by force. */
export const WATCHED_PATIENCE_MS = 5_000;

/** The settings of a service that is watched. */
export function hasty(settings: Settings): Settings {
  return { ...settings, graceMs: Math.min(settings.graceMs, WATCHED_GRACE_MS) };
}

/** Ends this process when its parent has gone, also while a handler keeps the main thread from doing anything. */
export function endWithParent(parent: number): void {
  const thread = new Worker(new URL("./watched_thread.ts", import.meta.url).href);
  thread.postMessage(parent);
}
