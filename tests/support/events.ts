import type { Emit, EventName, Events } from "../../src/observability/events.ts";
import { until } from "./until.ts";

export interface Recorder {
  emit: Emit;
  /** The fields of every event of this name so far. */
  of<Name extends EventName>(name: Name): Events[Name][];
  /** Waits for an event of this name, past or future, that fits. */
  heard<Name extends EventName>(name: Name, fits?: (fields: Events[Name]) => boolean): Promise<Events[Name]>;
}

/** Keeps what is emitted. */
export function recorder(): Recorder {
  const told: { name: EventName; fields: Events[EventName] }[] = [];

  function of<Name extends EventName>(name: Name): Events[Name][] {
    return told.filter((event) => event.name === name).map((event) => event.fields as Events[Name]);
  }

  return {
    emit: (name, fields) => void told.push({ name, fields }),
    of,
    heard: (name, fits = () => true) => until(`the event ${name}`, () => of(name).find(fits)),
  };
}
