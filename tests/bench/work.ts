import type { Contender, Session, Tasks } from "./contender.ts";
import type { BenchDatabase } from "./postgres.ts";

/** How much of everything; see `options.ts`. */
export interface Scale {
  jobs: number;
  seconds: number;
  holdSeconds: number;
  /** Sizes of the backlog, from small to large. */
  backlog: readonly number[];
  future: number;
  queues: number;
  workers: number;
  samples: number;
  limitSeconds: number;
}

export interface Column {
  /** The figure that stands in it. */
  key: string;
  title: string;
  better: "more" | "less";
  /** Digits behind the point. */
  digits?: number;
}

/** What one round has found, by column; what a contender does not know is left out. */
export type Figures = Record<string, number | undefined>;

/** Something that every contender does in turn, each on a new database of its own. */
export interface Work {
  name: string;
  title: (scale: Scale) => string;
  columns: (scale: Scale) => readonly Column[];
  /** What a contender must be able to do to take part. */
  tasks: readonly (keyof Tasks)[];
  /** Whether it takes part, of those who could. */
  suits?: (contender: Contender) => boolean;
  /** Why nobody can do it on this machine. */
  missing?: () => string | undefined;
  measure: (session: Required<Tasks>, database: BenchDatabase, scale: Scale) => Promise<Figures>;
}

export function takesPart(work: Work, contender: Contender): boolean {
  return work.tasks.every((task) => contender.tasks.includes(task)) && (work.suits?.(contender) ?? true);
}

/** Does the work once. */
export async function measure(
  work: Work,
  contender: Contender,
  database: BenchDatabase,
  scale: Scale,
): Promise<Figures> {
  const session: Session = await contender.open(database);
  try {
    return await work.measure(session as Required<Session>, database, scale);
  } finally {
    await session.close();
  }
}
