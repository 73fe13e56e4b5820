/** What a running job can tell of itself. */
export const EVENT_TYPES = ["progress", "log", "output"] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/**
 * A place in a job's story, by attempt and then by step: it waits, it starts, it tells something (from 1 on, in the
 * order in which it is told), it ends. Whoever has a place has read everything up to there.
 */
export interface Place {
  attempt: number;
  step: number;
}

export const STEP = { scheduled: -2, available: -1, started: 0, ended: 2 ** 31 - 1 } as const;

/** Before everything: attempts are counted from 1. */
export const BEGINNING: Place = { attempt: 0, step: STEP.ended };

/** The place as text, which a client gives back as it is. */
export function placeText({ attempt, step }: Place): string {
  return `${attempt}.${step}`;
}

/** Undefined for what is no place of ours. */
export function placeOf(text: string): Place | undefined {
  const [, attempt, step] = /^(\d{1,9})\.(-[12]|\d{1,10})$/.exec(text) ?? [];
  if (attempt === undefined || Number(step) > STEP.ended) return undefined;
  return { attempt: Number(attempt), step: Number(step) };
}
