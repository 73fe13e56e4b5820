import type { PendingQuery, Row } from "postgres";
import type { Sql } from "../db/connect.ts";
import { MAX_BLOCK_SIZE } from "./block.ts";

/** How taken jobs are leased: parts of the statement. */
export interface Leasing {
  /** What else has to be true for a suspect to come along. */
  suspects: PendingQuery<Row[]>;
  /** Rows of `block`, be it parts of it, and the number of the lease under which each goes. */
  parts: PendingQuery<Row[]>;
  /** Values of `deadline_at` and `beaten_at`. */
  times: PendingQuery<Row[]>;
  /** What is answered of the lease besides. */
  answer: PendingQuery<Row[]>;
}

/**
 * A lease for all that stand in the same place, as far as they fit into its row: of a larger one the ids would be moved out
 * (TOAST), and be deleted there once more. So most leases are blocks as they were.
 */
export const together = (sql: Sql): Leasing => ({
  suspects: sql`true`,
  parts: sql`
      select *, dense_rank() over (
        order by ask, kind, priority, attempt, failures, losses, jobs_before / ${MAX_BLOCK_SIZE}::int
      ) as lease
      from block`,
  times: sql`null::timestamptz as deadline_at, null::timestamptz as beaten_at`,
  answer: sql``,
});
