import { type Settings, SLOTS } from "./config/settings.ts";
import type { LoadedHandler } from "./handlers/load.ts";
import { DEFAULT_QUEUE } from "./job/job.ts";

/** The queues on which a process works: exactly those of the setting, or else the default one and those of its handlers. */
export function workedQueues({ queues }: Pick<Settings, "queues">, handlers: readonly LoadedHandler[]) {
  if (queues) return queues;
  const named = handlers.flatMap(({ definition }) => definition.queue ?? []);
  return [...new Set([DEFAULT_QUEUE, ...named])].map((name) => ({ name, slots: SLOTS }));
}

/** How many jobs of each queue run at most at once: those that run in threads take no slots from the others. */
export function slotsWithThreads(
  queues: ReturnType<typeof workedQueues>,
  handlers: readonly LoadedHandler[],
  handlerThreads: number,
) {
  if (!handlers.some(({ definition }) => definition.thread)) return queues;
  return queues.map(({ name, slots }) => ({ name, slots: slots + Math.min(slots, handlerThreads) }));
}
