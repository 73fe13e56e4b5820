import type { Books } from "./books.ts";
import { type BuildName, build } from "./builds.ts";
import { check, type Finding, type Verdict } from "./checker.ts";
import type { Call } from "./receiver.ts";
import type { Scenario } from "./scenario.ts";
import { openWorld, type World } from "./world.ts";

export interface Play {
  seed: number;
  dose: number;
  build: BuildName;
}

/** What came out of one scenario. */
export interface Outcome extends Verdict {
  scenario: string;
  fault: string;
  dose: string;
  seed: number;
  /** The longest that work was away after a fault. */
  recoveryMs: number | undefined;
  /** Throughput during and after the fault, each as a share of what it was before. */
  during: number | undefined;
  after: number | undefined;
  notes: string[];
  seconds: number;
}

/** Sets up a world, harms it, waits until all is worked off, and compares the accounts. */
export async function play(scenario: Scenario, { seed, dose, build: name }: Play): Promise<Outcome> {
  const begunMs = performance.now();
  const executable = await build(name);
  await using world = await openWorld({ executable, seed, dose, options: scenario.world ?? {} });
  await scenario.run(world).catch((error) => world.find("harness", String(error)));
  await world.settle();
  const books = await world.books();
  const { expected, findings, notes, phases } = world.observed;
  const verdict = check(books, {
    endsAs: (label) => expected.get(label) ?? ["completed"],
    mayLose: scenario.world?.mayLose ?? false,
    harmed: (call, endedMs) => harmedAt(world, call, endedMs) !== undefined,
  });
  const orphans = orphansOf(world, books);
  const rate = (phase: keyof typeof phases) => rateOf(world, phases[phase]);
  const share = (phase: "during" | "after") => {
    const [now, usual] = [rate(phase), rate("before")];
    return now === undefined || !usual ? undefined : now / usual;
  };
  const after = share("after");
  return {
    ...verdict,
    findings: [...verdict.findings, ...findings, ...lateOrphans(world, orphans), ...notBack(after)],
    scenario: scenario.name,
    fault: scenario.fault,
    dose: scenario.dose(world),
    seed,
    recoveryMs: longestRecovery(world, orphans),
    during: share("during"),
    after,
    notes: [...notes, ...worthSaying(books, verdict)],
    seconds: Math.round((performance.now() - begunMs) / 1_000),
  };
}

/** What makes a worker lose its jobs. */
const HARM: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);

function rateOf(world: World, phase: { fromMs: number; toMs: number } | undefined): number | undefined {
  if (!phase) return undefined;
  return world.receiver.done(phase.fromMs, phase.toMs) / (phase.toMs - phase.fromMs);
}

/** Of the throughput before the fault, at the least, and ten seconds after its end at the latest. */
const LEAST_AFTER = 0.95;

function notBack(after: number | undefined): Finding[] {
  if (after === undefined || after >= LEAST_AFTER) return [];
  return [
    { invariant: "I12", what: `after the fault, ${(after * 100).toFixed(1)} % of what was done before it` },
  ];
}

/** An attempt that was lost with its worker. */
interface Orphan {
  label: string;
  attempt: number;
  /** When the worker was killed or stopped, when that was found out, and when the job was called again. */
  harmedMs: number;
  freedMs: number;
  againMs: number | undefined;
}

function orphansOf(world: World, { jobs, calls }: Books): Orphan[] {
  const byJob = Map.groupBy(calls, (call) => call.jobId);
  return jobs.flatMap(({ id, label, attempts }) =>
    attempts.flatMap(({ attempt, outcome, finishedMs }) => {
      const made = byJob.get(id) ?? [];
      const first = made.find((call) => call.attempt === attempt);
      if (outcome !== "lost" || !first) return [];
      const harmedMs = harmedAt(world, first, finishedMs);
      const againMs = made.find((call) => call.attempt > attempt)?.atMs;
      return harmedMs === undefined ? [] : [{ label, attempt, harmedMs, freedMs: finishedMs, againMs }];
    }),
  );
}

/** When we took a call's worker away from it, before its attempt ended. */
function harmedAt({ fleet }: World, call: Call, endedMs: number): number | undefined {
  return fleet
    .byPid(call.worker)
    ?.signals.findLast(({ name, atMs }) => HARM.has(name) && atMs >= call.atMs && atMs <= endedMs)?.atMs;
}

/** As the rescuer has it. */
const SWEEPS_PER_TTL = 3;
const SLACK_MS = 2_000;

/**
 * What is free again may have to wait for a slot like everything else: the promise is about when it is free. Without a
 * database nobody can free anything.
 */
function lateOrphans({ ttlMs, observed }: World, orphans: readonly Orphan[]): Finding[] {
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
function longestRecovery({ receiver, observed }: World, orphans: readonly Orphan[]): number | undefined {
  const waits = orphans.flatMap(({ harmedMs, againMs }) =>
    againMs === undefined ? [] : [againMs - harmedMs],
  );
  for (const healedMs of observed.healedMs) {
    const first = receiver.calls.find((call) => call.status === 200 && call.answeredMs! >= healedMs);
    if (first) waits.push(first.answeredMs! - healedMs);
  }
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** Answers slower than this are worth a word. */
const SLOW_MS = 1_000;

function worthSaying({ metrics, submissions }: Books, { buried }: Verdict): string[] {
  const slowestMs = Math.max(0, ...submissions.flatMap(({ tries }) => tries.map(({ ms }) => ms)));
  return [
    ...(slowestMs > SLOW_MS ? [`slowest answer ${(slowestMs / 1_000).toFixed(1)} s`] : []),
    ...(metrics.lostEndings > 0 ? [`${metrics.lostEndings} late endings refused`] : []),
    ...(buried > 0 ? [`${buried} jobs buried after three kills of their workers`] : []),
  ];
}

/** The outcome in a line for each thing that must not be, at most a few of a kind. */
export function findingLines(findings: readonly Finding[], most = 5): string[] {
  return [...Map.groupBy(findings, ({ invariant }) => invariant)].flatMap(([invariant, all]) => [
    ...all.slice(0, most).map(({ what }) => `${invariant}: ${what}`),
    ...(all.length > most ? [`${invariant}: and ${all.length - most} more`] : []),
  ]);
}
