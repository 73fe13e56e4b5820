import type { TakenJob } from "../job/job.ts";
import type { Taken } from "./take.ts";

type OfJob = "id" | "userId" | "resourceId" | "payload" | "maxAttempts" | "timeoutMs" | "traceparent";

/**
 * A job as a take answers it. What it shares with all of its lease and with all of its block comes as one text each, which
 * is parsed once: for each column of each row the driver makes a text, and that was most of what a take cost here.
 */
export interface TakenRow extends Pick<TakenJob, OfJob> {
  lease: string;
  block: string;
}

type Lease = Omit<TakenJob, OfJob | "waitedMs">;
type Block = { size: number; waitedMs: number };

/** The jobs of a take's rows; `more` reads what is answered besides. */
export function readTaken<More>(
  rows: readonly (TakenRow & More)[],
  more?: (row: More) => More,
): Taken<TakenJob & More> {
  const leaseOf = parsedOnce<Lease>();
  const blockOf = parsedOnce<Block>();
  const last = rows.at(-1);
  return {
    jobs: rows.map((row) => {
      const job = jobOf(row, leaseOf(row.lease), blockOf(row.block));
      return Object.assign(job, more?.(row)) as TakenJob & More;
    }),
    blockSize: last === undefined ? 1 : blockOf(last.block).size,
  };
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

function parsedOnce<Value>(): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    const value = known.get(text) ?? (JSON.parse(text) as Value);
    known.set(text, value);
    return value;
  };
}
