import type { Books } from "./books.ts";
import { type BuildName, build } from "./builds.ts";
import { check, type Finding, type Verdict } from "./checker.ts";
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
  });
  const rate = (phase: keyof typeof phases) => rateOf(world, phases[phase]);
  const share = (phase: "during" | "after") => {
    const [now, usual] = [rate(phase), rate("before")];
    return now === undefined || !usual ? undefined : now / usual;
  };
  return {
    ...verdict,
    findings: [...verdict.findings, ...findings],
    scenario: scenario.name,
    fault: scenario.fault,
    dose: scenario.dose(world),
    seed,
    recoveryMs: longestRecovery(world, books),
    during: share("during"),
    after: share("after"),
    notes: [...notes, ...worthSaying(books)],
    seconds: Math.round((performance.now() - begunMs) / 1_000),
  };
}

/** What makes a worker lose its jobs. */
const HARM: ReadonlySet<string> = new Set(["SIGKILL", "SIGSTOP"]);

function rateOf(world: World, phase: { fromMs: number; toMs: number } | undefined): number | undefined {
  if (!phase) return undefined;
  return world.receiver.done(phase.fromMs, phase.toMs) / (phase.toMs - phase.fromMs);
}

/**
 * For each attempt that was lost with its worker: from the moment when that was killed or stopped to the next call.
 * For everything else: from the moment when all was mended to the first success.
 */
function longestRecovery({ fleet, receiver, observed }: World, { jobs, calls }: Books): number | undefined {
  const byJob = Map.groupBy(calls, (call) => call.jobId);
  const waits = jobs.flatMap(({ id, attempts }) =>
    attempts.flatMap(({ attempt, outcome }) => {
      const made = byJob.get(id) ?? [];
      const first = made.find((call) => call.attempt === attempt);
      const again = made.find((call) => call.attempt > attempt);
      if (outcome !== "lost" || !first || !again) return [];
      const harmedMs = fleet
        .byPid(first.worker)
        ?.signals.findLast(
          ({ name, atMs }) => HARM.has(name) && atMs >= first.atMs && atMs <= again.atMs,
        )?.atMs;
      return harmedMs === undefined ? [] : [again.atMs - harmedMs];
    }),
  );
  for (const healedMs of observed.healedMs) {
    const first = receiver.calls.find((call) => call.status === 200 && call.answeredMs! >= healedMs);
    if (first) waits.push(first.answeredMs! - healedMs);
  }
  return waits.length > 0 ? Math.max(...waits) : undefined;
}

/** Answers slower than this are worth a word. */
const SLOW_MS = 1_000;

function worthSaying({ metrics, submissions }: Books): string[] {
  const slowestMs = Math.max(0, ...submissions.flatMap(({ tries }) => tries.map(({ ms }) => ms)));
  return [
    ...(slowestMs > SLOW_MS ? [`slowest answer ${(slowestMs / 1_000).toFixed(1)} s`] : []),
    ...(metrics.lostEndings > 0 ? [`${metrics.lostEndings} late endings refused`] : []),
  ];
}

/** The outcome in a line for each thing that must not be, at most a few of a kind. */
export function findingLines(findings: readonly Finding[], most = 5): string[] {
  return [...Map.groupBy(findings, ({ invariant }) => invariant)].flatMap(([invariant, all]) => [
    ...all.slice(0, most).map(({ what }) => `${invariant}: ${what}`),
    ...(all.length > most ? [`${invariant}: and ${all.length - most} more`] : []),
  ]);
}
