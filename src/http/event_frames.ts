import { placeText } from "../job/event.ts";
import type { Outcome } from "../job/outcome.ts";
import { type JobState, statusOf } from "../job/states.ts";
import type { Step } from "../queue/read_news.ts";

// The text format of Server-Sent Events. None of our data has line breaks, so each has one `data` line.

/** A browser that lost its connection waits this long: a restart behind a load balancer is over by then. */
export const RETRY_FRAME = "retry: 2000\n\n";

/** A comment, which clients skip and proxies take for a sign of life. */
export const HEARTBEAT_FRAME = ":\n\n";

export function frame(step: Step): string {
  return `id: ${placeText(step)}\nevent: ${eventName(step)}\ndata: ${dataOf(step)}\n\n`;
}

function eventName({ type }: Step): string {
  return type === "progress" || type === "log" || type === "output" ? type : "state";
}

function dataOf(step: Step): string {
  const { attempt, data } = step;
  const at = time(step.at);
  // What a handler told is a text of others and goes in as it is.
  if (data !== null) return `${JSON.stringify({ attempt, at }).slice(0, -1)},${data.slice(1)}`;
  const state = stateAfter(step);
  const { outcome, dueAt } = step;
  return JSON.stringify({
    attempt,
    at,
    state,
    status: statusOf(state),
    outcome,
    run_at: dueAt && time(dueAt),
  });
}

/** The state that a job is in once this has happened. */
function stateAfter({ type, outcome, dueAt }: Step): JobState {
  if (type === "scheduled" || type === "available") return type;
  if (type !== "ended") return "running";
  return dueAt === null ? finalState(outcome) : "retryable";
}

/** An ending after which nothing comes. One that is lost, snoozed or released is always followed by another attempt. */
function finalState(outcome: Outcome | null): JobState {
  return outcome === "completed" || outcome === "cancelled" ? outcome : "failed";
}

function time(text: string): string {
  return new Date(text).toISOString();
}
