import { type Loop, loop } from "../lifecycle/loop.ts";
import type { Emit } from "../observability/events.ts";
import type { Source } from "../queue/lanes.ts";
import type { Marks } from "../queue/marks.ts";

export interface PollParts {
  marks: Marks;
  sources: readonly Source[];
  emit: Emit;
  pollIntervalMs: number;
  /** Something is due there, or may be. */
  onDue: (source: Source) => void;
}

/** Polls of many workers must not fall into one beat. */
const POLL_JITTER = 0.2;

/**
 * Looks for due work that nothing has told of: in all queues of the process at once, so that an idle one costs the
 * database a statement in each interval, however many queues it has.
 */
export function poll({ marks, sources, emit, pollIntervalMs, onDue }: PollParts): Loop {
  let first = true;

  return loop("poll", step, (error) => emit("step.failed", { step: "poll", error }));

  async function step(): Promise<number> {
    const due = await marks.read();
    // Once every pool looks for itself: until then it cannot know that nothing waits.
    for (const source of first ? sources : due) onDue(source);
    first = false;
    return pollIntervalMs * (1 + POLL_JITTER * (Math.random() - 0.5));
  }
}
