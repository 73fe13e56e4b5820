import type { Reporter } from "../handlers/define.ts";
import type { EventType } from "../job/event.ts";
import type { TakenJob } from "../job/job.ts";
import {
  type LineData,
  logData,
  MAX_ATTEMPT_BYTES,
  MAX_ATTEMPT_LINES,
  missingData,
  outputData,
  progressData,
} from "../job/line_data.ts";
import type { Service } from "../lifecycle/service.ts";
import { type LineBufferParts, lineBuffer, type Teller } from "./line_buffer.ts";

/** What the handler of one attempt may tell. */
export interface Report extends Reporter {
  /** The same for what is data already; undefined for what could not be made data. */
  tell(type: EventType, data: LineData): void;
  /** So many lines were told and are not there. */
  miss(lines: number): void;
  /**
   * Takes no more, and resolves once everything told before is written or given up: whoever then sees the attempt's
   * ending has seen that too. Undefined when nothing is left to be written.
   */
  close(): Promise<void> | undefined;
}

type Telling = Pick<Report, "tell" | "miss" | "close">;

export interface Reports extends Service {
  open(job: TakenJob): Report;
}

/**
 * Takes what running attempts tell and has it written. Whatever goes wrong, the jobs go on: what is too much or too
 * large, or cannot be written, is dropped and counted, and a line in its place says so.
 */
export function reports(parts: LineBufferParts): Reports {
  const buffer = lineBuffer(parts);

  /** Most attempts tell nothing: what keeps count of an attempt is made at the first thing that it tells. */
  function open(job: TakenJob): Report {
    let telling: Telling | undefined;
    function report(): Telling {
      telling ??= openNow(job);
      return telling;
    }
    return {
      progress: (percent, message) => report().tell("progress", progressData(percent, message)),
      log: (message, fields) => report().tell("log", logData(message, fields)),
      emit: (chunk) => report().tell("output", outputData(chunk)),
      tell: (type, data) => report().tell(type, data),
      miss: (lines) => report().miss(lines),
      close() {
        telling ??= CLOSED;
        return telling.close();
      },
    };
  }

  function openNow(job: TakenJob): Telling {
    let lines = 0;
    let bytes = 0;
    let unwritten = 0;
    let dropped = 0;
    /** Of the dropped ones, those since the last line that was kept. */
    let missing = 0;
    let closed: PromiseWithResolvers<void> | undefined;

    const teller: Teller = {
      get closed() {
        return closed !== undefined;
      },
      settled(written) {
        unwritten--;
        if (!written) miss(1);
        if (closed && unwritten === 0) finish();
      },
    };

    function tell(type: EventType, data: LineData) {
      if (closed) return;
      if (data === undefined || buffer.full || lines >= MAX_ATTEMPT_LINES || bytes >= MAX_ATTEMPT_BYTES)
        return miss(1);
      tellWhatIsMissing();
      add(type, data);
    }

    function miss(lines: number) {
      missing += lines;
      dropped += lines;
    }

    function tellWhatIsMissing() {
      if (missing > 0) add("log", missingData(missing));
      missing = 0;
    }

    function add(type: EventType, data: string) {
      const size = Buffer.byteLength(data);
      lines++;
      bytes += size;
      unwritten++;
      buffer.add({ jobId: job.id, attempt: job.attempt, seq: lines, type, data }, size, teller);
    }

    function finish() {
      const { id: job_id, kind, queue, attempt } = job;
      if (dropped > 0)
        parts.emit("reports.dropped", {
          job_id,
          kind,
          queue,
          attempt,
          worker_id: parts.workerId,
          lines: dropped,
        });
      closed?.resolve();
    }

    return {
      tell,
      miss: (lines) => {
        if (!closed) miss(lines);
      },
      close() {
        if (closed) return closed.promise;
        tellWhatIsMissing();
        closed = Promise.withResolvers();
        if (unwritten > 0) buffer.hurry();
        else finish();
        return unwritten > 0 ? closed.promise : undefined;
      },
    };
  }

  return { name: "reports", open, start: buffer.start, stop: buffer.stop };
}

/** Of an attempt that has told nothing before its end. */
const CLOSED: Telling = { tell() {}, miss() {}, close: () => undefined };
