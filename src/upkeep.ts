import type { Settings } from "./config/settings.ts";
import type { Database } from "./db/connect.ts";
import type { Registry } from "./handlers/registry.ts";
import type { Service } from "./lifecycle/service.ts";
import { pruner } from "./maintenance/pruner.ts";
import { rescuer } from "./maintenance/rescuer.ts";
import { tallier } from "./maintenance/tallier.ts";
import { maintenance } from "./maintenance/task.ts";
import { timekeeper } from "./maintenance/timekeeper.ts";
import type { Emit } from "./observability/events.ts";

export interface UpkeepParts {
  settings: Settings;
  db: Database;
  kinds: Registry;
  emit: Emit;
}

/** What keeps the tables in order. It runs in every process: where all workers come over HTTP, there is no other. */
export function upkeep({ settings, db, kinds, emit }: UpkeepParts): Service[] {
  const { workerTtlMs, maxLosses } = settings;
  const retention = {
    completedHours: settings.retentionCompletedHours,
    cancelledHours: settings.retentionCancelledHours,
    failedHours: settings.retentionFailedHours,
  };
  return [
    rescuer({ db, emit, workerTtlMs, maxLosses }),
    timekeeper({ db, emit, retryOf: (kind) => kinds.find(kind)?.retry }),
    pruner({ db, emit, retention }),
    tallier({ db }),
  ].map((task) => maintenance(task, emit));
}
