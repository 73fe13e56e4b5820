import type { Emit, EventName, Events } from "./events.ts";

/** What is done when something is told. Events without a listener are somebody else's. */
export type Listeners = { [Name in EventName]?: (fields: Events[Name]) => void };

/** Hands every event to whoever listens to it. */
export function emitTo(listeners: readonly Listeners[]): Emit {
  const byName = new Map<EventName, ((fields: never) => void)[]>();
  for (const some of listeners)
    for (const [name, listen] of Object.entries(some))
      byName.set(name as EventName, [...(byName.get(name as EventName) ?? []), listen]);
  return (name, fields) => {
    for (const listen of byName.get(name) ?? []) listen(fields as never);
  };
}

/** Tells one and then the other. */
export function both(one: Emit, other: Emit): Emit {
  return (name, fields) => {
    one(name, fields);
    other(name, fields);
  };
}
