import type { Database } from "../db/connect.ts";
import type { RetryOf } from "../job/retry.ts";
import type { Emit } from "../observability/events.ts";
import { beatHeld } from "../queue/beat_held.ts";
import { endHeld, type HeldEnding } from "../queue/end_held.ts";
import type { HeldJob } from "../queue/held.ts";
import { type HeldLine, tellHeld } from "../queue/tell_held.ts";
import type { EventStreams } from "./event_streams.ts";
import { refusal, staleProblem } from "./held.ts";
import type { EndAt } from "./lease_end.ts";
import { notFound, Problem } from "./problem.ts";

export interface HeldCallParts {
  db: Database;
  emit: Emit;
  streams: EventStreams;
  retryOf: RetryOf;
  /** A queue has work again, at once. */
  onWork: (queues: Iterable<string>) => void;
}

/** What somebody outside can do with the job that is in their hands, however they have shown that it is. */
export interface HeldCalls {
  /** Writes down what is told; throws the problem that says why the job is not held any more. */
  tell(job: HeldJob, line: HeldLine): Promise<void>;
  /** Ends the attempt, or throws that problem. Answers how it ended. */
  end(job: HeldJob, endAt: EndAt): Promise<HeldEnding>;
}

export function heldCalls({ db, emit, streams, retryOf, onWork }: HeldCallParts): HeldCalls {
  return {
    async tell(job, line) {
      if (job.stale !== null) throw await staleProblem(db, job, job.stale);
      const answer = await tellHeld(db, job, line);
      if (answer === "full") throw new Problem("too_large", "this attempt has told all that is kept of one");
      if (answer === "ended") throw await refusal(db, job);
      if (job.beatDue) await beatHeld(db, job);
      streams.wake();
    },
    async end(job, endAt) {
      const fields = fieldsOf(job);
      const ending = endAt({
        ...job,
        retry: retryOf(job.kind),
        random: Math.random(),
        complain: (error) => emit("handler.retry_failed", { ...fields, error }),
      });
      const stale = job.stale ?? (await endHeld(db, job, ending));
      if (stale === undefined) throw notFound();
      if (stale !== null) {
        emit("job.ending_lost", { ...fields, outcome: ending.outcome });
        throw await staleProblem(db, job, stale);
      }
      if (ending.retryAfterMs === 0) onWork([job.queue]);
      return ending;
    },
  };
}

/** The job in the words of events. */
export function fieldsOf({ jobId, kind, queue, attempt, workerId }: HeldJob) {
  return { job_id: jobId, kind, queue, attempt, worker_id: workerId ?? "unknown" };
}
