/** Where a command for people and scripts prints. */
export interface Printer {
  /** What the command was called for: stdout. */
  data(line: string): void;
  /** What a person wants to know besides: stderr. */
  note(line: string): void;
}

/** Rows as lines, each cell as wide as the widest of its column. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
