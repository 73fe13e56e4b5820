import { keepPace, type Pace } from "./progress.ts";
import type { Service } from "./service.ts";

/** After an error a loop rests a second: long enough not to flood a log, short enough not to be noticed. */
const REST_AFTER_ERROR_MS = 1_000;

export interface Loop extends Service {
  /** Cuts the rest short. A wake that comes while a step runs is kept. */
  wake(): void;
}

/**
 * Repeats `step` until stopped. The step answers how many milliseconds to rest before the next one; a wake
 * cuts the rest short and is never lost, else work that arrives during a step would wait a whole interval.
 * The only loop with a timer in the program; its form is Solid Queue's poller.
 */
export function loop(name: string, step: () => Promise<number>, report: (error: unknown) => void): Loop {
  let stopping = false;
  let woken = false;
  let endRest = () => {};
  let finished: Promise<void> | undefined;
  let pace: Pace | undefined;

  async function run() {
    pace = keepPace(name);
    while (!stopping) {
      woken = false;
      const restMs = await Promise.try(step).catch((error) => {
        report(error);
        return undefined;
      });
      if (restMs !== undefined) pace.rested(woken ? 0 : restMs);
      if (!stopping && !woken) await rest(restMs ?? REST_AFTER_ERROR_MS);
    }
    pace.end();
  }

  async function rest(ms: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    endRest = resolve;
    await promise;
    clearTimeout(timer);
  }

  function wake() {
    woken = true;
    pace?.woken();
    endRest();
  }

  return {
    name,
    wake,
    async start() {
      if (!stopping) finished ??= run();
    },
    async stop() {
      stopping = true;
      wake();
      await finished;
    },
  };
}
