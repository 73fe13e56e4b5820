/**
 * Whatever lives in the process. `stop` returns only when it has truly stopped, and may be called
 * twice, or before `start` and during it. The idea is River's `startstop`.
 */
export interface Service {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts in order. When one fails, those already started are stopped again, and the failure is thrown. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const started: Service[] = [];
  for (const service of services) {
    try {
      await service.start();
      started.push(service);
    } catch (error) {
      await stopAll(started).catch(() => undefined); // the first failure is the one worth telling
      throw new Error(`${service.name} did not start: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Stops in reverse order. A service that fails to stop does not keep the others from stopping. */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const failures: unknown[] = [];
  for (const service of services.toReversed()) {
    await service
      .stop()
      .catch((error) => failures.push(new Error(`${service.name}: ${messageOf(error)}`, { cause: error })));
  }
  if (failures.length > 0) throw new AggregateError(failures, "some services did not stop cleanly");
}

/**
 * Services that need not wait for each other, as one. When one does not start, all are stopped at once: those that are
 * still starting might wait for what never comes.
 */
export function together(name: string, services: readonly Service[]): Service {
  const stop = async () => void (await Promise.all(services.map((service) => service.stop())));
  return {
    name,
    async start() {
      try {
        await Promise.all(services.map(startNamed));
      } catch (error) {
        await stop().catch(() => undefined); // the first failure is the one worth telling
        throw error;
      }
    },
    stop,
  };
}

async function startNamed(service: Service): Promise<void> {
  try {
    await service.start();
  } catch (error) {
    throw new Error(`${service.name}: ${messageOf(error)}`, { cause: error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
