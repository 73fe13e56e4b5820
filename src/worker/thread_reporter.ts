import type { JobContext } from "../handlers/define.ts";
import type { EventType } from "../job/event.ts";
import {
  type LineData,
  logData,
  MAX_ATTEMPT_BYTES,
  MAX_ATTEMPT_LINES,
  outputData,
  progressData,
} from "../job/line_data.ts";
import { readUsage, type Usage } from "../job/usage.ts";

/** What a thread says for the handler that runs in it. */
export type Said =
  | { type: "told"; event: EventType; data: LineData }
  /** Told beyond all measure, and not sent. */
  | { type: "untold"; lines: number }
  | { type: "spent"; usage: Usage };

/** However often a handler says what it has spent, the main thread hears it no more often than this. */
const SPENT_EVERY_MS = 100;

export interface ThreadReporter extends Pick<JobContext, "progress" | "log" | "emit" | "spent"> {
  /** Says what is left to be said, and is silent from then on: what still runs of a handler must not speak for the next job. */
  close(): void;
}

/**
 * What one handler tells, as messages of plain text. A handler that tells without end must not bury the main thread: what
 * is more than an attempt may leave is counted here and not sent.
 */
export function threadReporter(say: (said: Said) => void): ThreadReporter {
  let closed = false;
  let lines = 0;
  let bytes = 0;
  let untold = 0;
  let unsaid: Usage | undefined;
  let saidAtMs = Number.NEGATIVE_INFINITY;

  function tell(event: EventType, data: LineData) {
    if (closed) return;
    if (lines >= MAX_ATTEMPT_LINES || bytes >= MAX_ATTEMPT_BYTES) return leaveOut();
    lines++;
    bytes += data === undefined ? 0 : Buffer.byteLength(data);
    say({ type: "told", event, data });
  }

  /** The first is said at once: a thread that is ended hard says no more. */
  function leaveOut() {
    if (untold++ === 0) say({ type: "untold", lines: 1 });
  }

  function sayWhatIsSpent() {
    if (unsaid) say({ type: "spent", usage: unsaid });
    unsaid = undefined;
    saidAtMs = performance.now();
  }

  return {
    progress: (percent, message) => tell("progress", progressData(percent, message)),
    log: (message, fields) => tell("log", logData(message, fields)),
    emit: (chunk) => tell("output", outputData(chunk)),
    spent(usage) {
      if (closed) return;
      unsaid = readUsage(usage);
      if (performance.now() - saidAtMs >= SPENT_EVERY_MS) sayWhatIsSpent();
    },
    close() {
      closed = true;
      if (untold > 1) say({ type: "untold", lines: untold - 1 });
      sayWhatIsSpent();
    },
  };
}
