/** What a running job can tell of itself. */
export const EVENT_TYPES = ["progress", "log", "output"] as const;

export type EventType = (typeof EVENT_TYPES)[number];
