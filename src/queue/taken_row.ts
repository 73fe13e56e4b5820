import type { Sql } from "../db/connect.ts";
import type { TakenJob } from "../job/job.ts";

/** What a job has that it shares with no other of its lease. */
type OwnOfJob = Pick<
  TakenJob,
  "id" | "userId" | "resourceId" | "payload" | "maxAttempts" | "timeoutMs" | "traceparent"
>;

/**
 * What a take answers: rows of leases, and rows of jobs as they were found. What the jobs of a lease share comes once, as
 * one text, which names its jobs, so that nothing need be joined there. For each column of each row the driver makes a
 * text, and that was most of what a take cost here; so what is short of a job comes in one, too (see `ownOfJob`).
 */
export type TakenRow =
  | { lease: string; own: null; payload: null; traceparent: null }
  | { lease: null; own: string; payload: string; traceparent: string | null };

/** What jobs have in common that stood in one block. */
type Shared<More> = Omit<TakenJob, keyof OwnOfJob> & More;

interface Lease<More> {
  /** The place of the ask among all asks. */
  ask: number;
  more: boolean;
  blockSize: number;
  jobIds: string[];
  /** Of which blocks they are: how many jobs of the same ask go before these, how many these are, how long they waited. */
  parts: [jobsBefore: number, jobs: number, waitedMs: number][];
  shared: Omit<Shared<More>, "waitedMs">;
}

export interface Taken<Job extends TakenJob = TakenJob> {
  jobs: Job[];
  /** Whether blocks were left there: more than were wanted, or such as others held. Not told when there are no jobs. */
  more: boolean;
  /** Size of the blocks that were found, from which the caller guesses how many to ask for next time. */
  blockSize: number;
}

/** What was taken for each of the asks, in the order in which it is due. */
export function readTaken<More>(rows: readonly TakenRow[], asks: number): Taken<TakenJob & More>[] {
  const leases: Lease<More>[] = [];
  const jobs = new Map<string, OwnOfJob>();
  for (const row of rows) {
    if (row.lease !== null) {
      leases.push(readLease(row.lease));
      continue;
    }
    const job = readOwn(row);
    jobs.set(job.id, job);
  }
  const ofAsk = Map.groupBy(leases, ({ ask }) => ask);
  return Array.from({ length: asks }, (_, ask) => takenUnder(ofAsk.get(ask) ?? [], jobs));
}

/** All ids have this length. */
const ID_CHARACTERS = 36;

/** Of a row of `jobs`, for `readOwn`: three ids, then two numbers, of which the second may be missing. */
export function ownOfJob(sql: Sql) {
  return sql`concat(id, user_id, resource_id, max_attempts, ',', timeout_ms)`;
}

function readOwn({ own, payload, traceparent }: TakenRow & { lease: null }): OwnOfJob {
  const idAt = (place: number) => own.slice(place * ID_CHARACTERS, (place + 1) * ID_CHARACTERS);
  const comma = own.indexOf(",");
  const timeoutMs = own.slice(comma + 1);
  return {
    id: idAt(0),
    userId: idAt(1),
    resourceId: idAt(2),
    maxAttempts: Number(own.slice(3 * ID_CHARACTERS, comma)),
    timeoutMs: timeoutMs === "" ? null : Number(timeoutMs),
    payload,
    traceparent,
  };
}

function readLease<More>(text: string): Lease<More> {
  const { ask, more, blockSize, jobIds, parts, ...shared } = JSON.parse(text);
  return { ask, more, blockSize, jobIds, parts, shared };
}

function takenUnder<More>(leases: readonly Lease<More>[], found: ReadonlyMap<string, OwnOfJob>) {
  const taken: Taken<TakenJob & More> = { jobs: [], more: false, blockSize: 1 };
  for (const { jobIds, shared } of leases.flatMap(partsOf).sort((a, b) => a.jobsBefore - b.jobsBefore)) {
    for (const id of jobIds) {
      const job = found.get(id);
      // Else it was deleted meanwhile: its lease goes with those of its neighbours, or falls to rescue.
      if (job) taken.jobs.push(jobOf(job, shared));
    }
  }
  for (const { more, blockSize } of leases) {
    taken.more ||= more;
    taken.blockSize = Math.max(taken.blockSize, blockSize);
  }
  return taken;
}

/** The jobs of a lease, block by block. */
function partsOf<More>({ parts, jobIds, shared }: Lease<More>) {
  let end = 0;
  return parts.map(([jobsBefore, jobs, waitedMs]) => {
    end += jobs;
    return {
      jobsBefore,
      jobIds: jobIds.slice(end - jobs, end),
      shared: { ...shared, waitedMs } as Shared<More>,
    };
  });
}

function jobOf<More>(job: OwnOfJob, shared: Shared<More>): TakenJob & More {
  const { id, userId, resourceId, payload, maxAttempts, timeoutMs, traceparent } = job;
  return { ...shared, id, userId, resourceId, payload, maxAttempts, timeoutMs, traceparent } as TakenJob &
    More;
}
