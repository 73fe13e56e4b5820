import { loop } from "../lifecycle/loop.ts";
import type { Service } from "../lifecycle/service.ts";
import type { Emit } from "../observability/events.ts";

/** Work that comes round. Every node may run it at once: its statements see to it that nothing is done twice. */
export interface Task {
  name: string;
  everyMs: number;
  /** Does all there is to do, in small batches. */
  runOnce(): Promise<void>;
}

/** Nodes that started together must not sweep together. */
const JITTER = 0.2;

export function maintenance(task: Task, emit: Emit): Service {
  return loop(
    task.name,
    async () => {
      await task.runOnce();
      return task.everyMs * (1 + JITTER * (Math.random() - 0.5));
    },
    (error) => emit("step.failed", { step: task.name, error }),
  );
}
