import type { Books } from "./books.ts";
import { type BuildName, build } from "./builds.ts";
import { check, type Finding, type Verdict } from "./checker.ts";
import { harmedAt, lateOrphans, longestRecovery, notBack, orphansOf, pidsOf } from "./recovery.ts";
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
  const pids = pidsOf(books);
  const verdict = check(books, {
    endsAs: (label) => expected.get(label) ?? ["completed"],
    mayLose: scenario.world?.mayLose ?? false,
    harmed: ({ workerId, startedMs, finishedMs }) =>
      harmedAt(world, pids.get(workerId), startedMs, finishedMs) !== undefined,
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
    findings: [
      ...verdict.findings,
      ...findings,
      ...deserters(world),
      ...lateOrphans(world, orphans),
      ...notBack(after),
    ],
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

function rateOf(world: World, phase: { fromMs: number; toMs: number } | undefined): number | undefined {
  if (!phase) return undefined;
  return world.receiver.done(phase.fromMs, phase.toMs) / (phase.toMs - phase.fromMs);
}

/** From here on an exit code tells of a signal. */
const BY_SIGNAL = 128;

/** Processes that nobody told to go: one that takes its place would hide why. */
function deserters({ fleet }: World): Finding[] {
  return fleet.members
    .filter(({ started, signals }) => started && signals.length === 0)
    .filter(({ exitCode }) => exitCode !== undefined && exitCode < BY_SIGNAL)
    .map(({ role, exitCode, said }) => ({
      invariant: "exit",
      what: `a ${role} left with ${exitCode}: ${said().trimEnd().split("\n").at(-1)}`,
    }));
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
