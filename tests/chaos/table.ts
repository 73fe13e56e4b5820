import type { Outcome } from "./play.ts";

const HEADINGS = [
  "scenario",
  "fault",
  "dose",
  "seed",
  "jobs",
  "lost",
  "duplicated",
  "explained",
  "ended twice",
  "longest recovery",
  "during",
  "after",
  "remarks",
];

/** The outcomes as a table in Markdown. */
export function table(outcomes: readonly Outcome[]): string {
  const rows = [HEADINGS, HEADINGS.map(() => "---"), ...outcomes.map(rowOf)];
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function rowOf(outcome: Outcome): string[] {
  const { findings, notes } = outcome;
  return [
    outcome.scenario,
    outcome.fault,
    outcome.dose,
    String(outcome.seed),
    String(outcome.jobs),
    String(outcome.lost),
    String(outcome.duplicated),
    String(outcome.explained),
    String(outcome.endedTwice),
    outcome.recoveryMs === undefined ? "" : `${(outcome.recoveryMs / 1_000).toFixed(1)} s`,
    percent(outcome.during),
    percent(outcome.after),
    [...(findings.length > 0 ? [`**${findings.length} findings**`] : []), ...notes].join("; "),
  ];
}

function percent(share: number | undefined): string {
  return share === undefined ? "" : `${Math.round(share * 100)} %`;
}
