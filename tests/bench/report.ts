import type { Contender } from "./contender.ts";
import { median } from "./percentile.ts";
import type { Column, Figures, Scale, Work } from "./work.ts";

/** What one contender has shown in one work. */
export interface Row {
  contender: Contender;
  rounds: Figures[];
  /** Why there is nothing, or not everything. */
  trouble?: string;
}

export interface Result {
  work: Work;
  rows: Row[];
}

/** A table in Markdown: medians, and in brackets how many times as good jobsvc is. */
export function table({ work, rows }: Result, scale: Scale): string {
  const columns = work.columns(scale);
  const [ours] = rows;
  const lines = rows.map((row) => {
    const cells = columns.map((column) => cell(column, row, row === ours ? undefined : ours));
    return `| ${[nameOf(row.contender), ...cells, row.trouble ?? row.contender.through].join(" | ")} |`;
  });
  const head = ["contender", ...columns.map(({ title }) => title), "through"].join(" | ");
  const rule = ["---", ...columns.map(() => "---:"), "---"].join(" | ");
  return [`### ${work.title(scale)}`, "", `| ${head} |`, `| ${rule} |`, ...lines, ""].join("\n");
}

function nameOf({ name, version, mode }: Contender): string {
  return `${[name, version].filter(Boolean).join(" ")}, ${mode}`;
}

function cell({ key, better, digits = 0 }: Column, row: Row, ours: Row | undefined): string {
  const value = medianOf(row, key);
  if (value === undefined) return "–";
  const text = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const base = ours && medianOf(ours, key);
  if (base === undefined || base === 0 || value === 0) return text;
  return `${text} (${(better === "more" ? base / value : value / base).toFixed(2)} x)`;
}

function medianOf({ rounds }: Row, key: string): number | undefined {
  const values = rounds.map((figures) => figures[key]).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : median(values);
}

/** The same for programs, with the figure of every round. */
export function asJson({ work, rows }: Result, scale: Scale) {
  return {
    work: work.name,
    title: work.title(scale),
    columns: work.columns(scale),
    rows: rows.map(({ contender: { name, mode, version, through }, rounds, trouble }) => ({
      contender: name,
      mode,
      version,
      through,
      ...(trouble && { trouble }),
      rounds,
    })),
  };
}
