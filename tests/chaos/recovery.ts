import type { Books } from "./books.ts";
import type { Finding } from "./checker.ts";
import type { World } from "./world.ts";

// How soon things are as they were: orphans have new workers, throughput is back.

/** What makes a worker lose its jobs. */
const HARM: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);

/** Of the throughput before the fault, at the least, and ten seconds after its end at the latest. */
const LEAST_AFTER = 0.95;

/** Throughput that is not what it was, when it should be. */
export function notBack(after: number | undefined): Finding[] {
  if (after === undefined || after >= LEAST_AFTER) return [];
  return [
    { invariant: "I12", what: `after the fault, ${(after * 100).toFixed(1)} % of what was done before it` },
  ];
}

/** An attempt that was lost with its worker. */
export interface Orphan {
  label: string;
  attempt: number;
  /** When the worker was killed or stopped, when that was found out, and when the job was called again. */
  harmedMs: number;
  freedMs: number;
  againMs: number | undefined;
}

/** All of them, as far as they had come to call. */
export function orphansOf(world: World, { jobs, calls }: Books): Orphan[] {
  const byJob = Map.groupBy(calls, (call) => call.jobId);
  return jobs.flatMap(({ id, label, attempts }) =>
    attempts.flatMap(({ attempt, outcome, finishedMs }) => {
      const made = byJob.get(id) ?? [];
      const first = made.find((call) => call.attempt === attempt);
      if (outcome !== "lost" || !first) return [];
      const harmedMs = harmedAt(world, first.worker, first.atMs, finishedMs);
      const againMs = made.find((call) => call.attempt > attempt)?.atMs;
      return harmedMs === undefined ? [] : [{ label, attempt, harmedMs, freedMs: finishedMs, againMs }];
    }),
  );
}

/** Of every worker that has called: what the service knows it by, and what the system does. */
export function pidsOf({ jobs, calls }: Books): Map<string, number> {
  const byAttempt = new Map(calls.map((call) => [`${call.jobId} ${call.attempt}`, call.worker]));
  const pairs = jobs.flatMap(({ id, attempts }) =>
    attempts.map(({ attempt, workerId }) => [workerId, byAttempt.get(`${id} ${attempt}`)] as const),
  );
  return new Map(pairs.filter((pair): pair is [string, number] => pair[1] !== undefined));
}

/** When we took the process away from what it had in its hands, at the last; undefined when we did not. */
export function harmedAt(
  { fleet }: World,
  pid: number | undefined,
  fromMs: number,
  toMs: number,
): number | undefined {
  if (pid === undefined) return undefined;
  return fleet
    .byPid(pid)
    ?.signals.findLast(({ name, atMs }) => HARM.has(name) && atMs >= fromMs && atMs <= toMs)?.atMs;
}

/** As the rescuer has it. */
const SWEEPS_PER_TTL = 3;
const SLACK_MS = 2_000;

/**
 * What is free again may have to wait for a slot like everything else: the promise is about when it is free. Without a
 * database nobody can free anything.
 */
export function lateOrphans({ ttlMs, observed }: World, orphans: readonly Orphan[]): Finding[] {
  const mostMs = ttlMs + ttlMs / SWEEPS_PER_TTL + SLACK_MS;
  return orphans
    .map(({ harmedMs, freedMs, ...orphan }) => {
      const healedMs = observed.healedMs.filter((atMs) => atMs < freedMs);
      return { ...orphan, waitedMs: freedMs - Math.max(harmedMs, ...healedMs) };
    })
    .filter(({ waitedMs }) => waitedMs > mostMs)
    .map(({ label, attempt, waitedMs }) => ({
      invariant: "I11",
      what: `${label}: attempt ${attempt} was free ${Math.round(waitedMs)} ms after its worker was gone, not ${mostMs}`,
    }));
}

/**
 * For each attempt that was lost with its worker: from the moment when that was killed or stopped to the next call.
 * For everything else: from the moment when all was mended to the first success.
 */
export function longestRecovery(
  { receiver, observed }: World,
  orphans: readonly Orphan[],
): number | undefined {
  const waits = orphans.flatMap(({ harmedMs, againMs }) =>
    againMs === undefined ? [] : [againMs - harmedMs],
  );
  for (const healedMs of observed.healedMs) {
    const first = receiver.calls.find((call) => call.status === 200 && call.answeredMs! >= healedMs);
    if (first) waits.push(first.answeredMs! - healedMs);
  }
  return waits.length > 0 ? Math.max(...waits) : undefined;
}
