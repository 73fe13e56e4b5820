import type { MemberOptions } from "./fleet.ts";
import type { World } from "./world.ts";

/** One way to harm the service, and how it is done. */
export interface Scenario {
  name: string;
  /** What happens to it, in a few words. */
  fault: string;
  /** How much of it, of a whole dose; scaled down it is still one. */
  dose: (world: World) => string;
  /** Other than the usual world. */
  world?: WorldOptions;
  /** Why it cannot run here; undefined when it can. */
  missing?: () => string | undefined;
  /** Harms the service under load. When it resolves, everything is mended, and what is left is to be worked off. */
  run(world: World): Promise<void>;
}

export interface WorldOptions {
  apis?: number;
  workers?: number;
  slots?: number;
  ttlMs?: number;
  /** Arguments and the like of every worker. */
  worker?: MemberOptions;
  api?: MemberOptions;
  /** How the service reaches the database. */
  through?: "directly" | "link" | "pgbouncer";
  /** Lines of postgresql.conf. */
  postgres?: readonly string[];
  /** A failover to an asynchronous standby may take the last moments with it. */
  mayLose?: boolean;
}

/** In less, the breath of a busy machine is a twentieth. */
const LEAST_MEASURED_S = 5;

/**
 * The usual course: a load all the while, a quiet phase to compare with, the fault, time to recover, and a second quiet
 * phase. A whole dose measures for ten seconds, and recovers in as many.
 */
export async function underLoad(world: World, fault: () => Promise<void>): Promise<void> {
  const load = world.client.steady(world.rate);
  try {
    await world.phase("before", () => world.wait(world.seconds(10, LEAST_MEASURED_S)));
    await world.phase("during", fault);
    await world.wait(world.seconds(10));
    await world.phase("after", () => world.wait(world.seconds(10, LEAST_MEASURED_S)));
  } finally {
    // Else a fault that could not be done would look like jobs that are lost.
    await load.stop();
  }
}
