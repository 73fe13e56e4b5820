import type { TakenJob } from "../job/job.ts";
import type { Taken } from "./take.ts";

type OfJob = "id" | "userId" | "resourceId" | "payload" | "maxAttempts" | "timeoutMs" | "traceparent";

/**
 * A job as a take answers it. What it shares with all of its lease and with all of its block comes as one text each, and
 * only with the first of those that share it (null: the same as in the row before). For each column of each row the
 * driver makes a text, and that was most of what a take cost here.
 */
export interface TakenRow extends Pick<TakenJob, OfJob> {
  lease: string | null;
  block: string | null;
}

type Lease = Omit<TakenJob, OfJob | "waitedMs">;
type Block = { size: number; waitedMs: number };

/** The jobs of a take's rows; `more` reads what is answered besides. */
export function readTaken<More>(
  rows: readonly (TakenRow & More)[],
  more?: (row: More) => More,
): Taken<TakenJob & More> {
  let lease: Lease;
  let block: Block | undefined;
  const jobs = rows.map((row) => {
    if (row.lease !== null) lease = JSON.parse(row.lease);
    if (row.block !== null) block = JSON.parse(row.block);
    return Object.assign(jobOf(row, lease, block!), more?.(row)) as TakenJob & More;
  });
  return { jobs, blockSize: block?.size ?? 1 };
}

function jobOf(row: TakenRow, lease: Lease, block: Block): TakenJob {
  return {
    id: row.id,
    leaseId: lease.leaseId,
    kind: lease.kind,
    queue: lease.queue,
    priority: lease.priority,
    userId: row.userId,
    resourceId: row.resourceId,
    payload: row.payload,
    maxAttempts: row.maxAttempts,
    timeoutMs: row.timeoutMs,
    traceparent: row.traceparent,
    attempt: lease.attempt,
    failures: lease.failures,
    losses: lease.losses,
    waitedMs: block.waitedMs,
  };
}
