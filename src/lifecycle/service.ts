/**
 * Whatever lives in the process. `stop` returns only when it has truly stopped, and may be called
 * twice, or before `start`. The idea is River's `startstop`.
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
